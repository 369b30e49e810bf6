package events

import (
	"cmp"
	"maps"

	"tiffin/engine"
)

// OfContainer is an event of a container in Docker's shape: labels, name and image are
// attributes.
func OfContainer(c *engine.Container, action string, more map[string]string) engine.Event {
	attributes := make(map[string]string, len(c.Spec.Labels)+len(more)+2)
	maps.Copy(attributes, c.Spec.Labels)
	attributes["name"] = c.Name
	attributes["image"] = c.Spec.Image
	maps.Copy(attributes, more)
	return engine.Event{Type: engine.EventContainer, Action: action, ID: c.ID, Attributes: attributes}
}

// OfNetwork is an event of a network.
func OfNetwork(n *engine.Network, action string) engine.Event {
	return engine.Event{
		Type: engine.EventNetwork, Action: action, ID: n.ID, Attributes: map[string]string{"name": n.Spec.Name, "type": cmp.Or(n.Spec.Driver, "bridge")},
	}
}
