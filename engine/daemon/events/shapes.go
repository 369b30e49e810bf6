package events

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tiffin/engine"
)

// OfContainer is an event of a container in Docker's shape: labels, name and image are
// attributes.
func OfContainer(c *engine.Container, action string, more map[string]string) engine.Event {
	attributes := make(map[string]string, len(c.Spec.Labels)+len(more)+2)
	maps.Copy(attributes, c.Spec.Labels)
	attributes["name"] = c.Name
	attributes["image"] = c.Spec.Image
	if action == "die" {
		ran := max(0, c.State.FinishedAt.Sub(c.State.StartedAt))
		attributes["execDuration"] = strconv.Itoa(int(ran / time.Second))
	}
	maps.Copy(attributes, more)
	return engine.Event{Type: engine.EventContainer, Action: action, ID: c.ID, Attributes: attributes}
}

// OfExec is an event of a further process of a container.
func OfExec(c *engine.Container, action, id string, more map[string]string) engine.Event {
	ev := OfContainer(c, action, more)
	ev.Attributes["execID"] = id
	return ev
}

// Command is an action that tells a command; it ends with a blank where there are no
// arguments, as Docker's.
func Command(action string, words []string) string {
	return action + ": " + words[0] + " " + strings.Join(words[1:], " ")
}

// OfImage is an event of an image; name is what Docker's events call it.
func OfImage(img *engine.Image, action, name string) engine.Event {
	attributes := map[string]string{}
	maps.Copy(attributes, img.Labels)
	attributes["name"] = name
	return engine.Event{Type: engine.EventImage, Action: action, ID: img.ID, Attributes: attributes}
}

// OfNetwork is an event of a network.
func OfNetwork(n *engine.Network, action string) engine.Event {
	return engine.Event{
		Type: engine.EventNetwork, Action: action, ID: n.ID, Attributes: map[string]string{"name": n.Spec.Name, "type": cmp.Or(n.Spec.Driver, "bridge")},
	}
}

// OfNetworkMember is an event of a network and a container on it.
func OfNetworkMember(n *engine.Network, action, containerID string) engine.Event {
	ev := OfNetwork(n, action)
	ev.Attributes["container"] = containerID
	return ev
}

// OfVolume is an event of a volume.
func OfVolume(name, action string) engine.Event {
	return engine.Event{Type: engine.EventVolume, Action: action, ID: name, Attributes: map[string]string{"driver": "local"}}
}

// Before are the events of networks and volumes that come before one of a container: with
// Docker it is connected, and has its volumes, before it starts, and none of it any more
// when it has ended.
func Before(c *engine.Container, action string, find func(ref string) (engine.Network, error)) []engine.Event {
	var join, mount string
	switch action {
	case "start":
		join, mount = "connect", "mount"
	case "die":
		join, mount = "disconnect", "unmount"
	default:
		return nil
	}
	var out []engine.Event
	for _, ref := range networksOf(c) {
		if n, err := find(ref); err == nil {
			out = append(out, OfNetworkMember(&n, join, c.ID))
		}
	}
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Type != engine.MountVolume {
			continue
		}
		ev := OfVolume(m.Name, mount)
		ev.Attributes["container"] = c.ID
		if action == "start" {
			ev.Attributes["destination"], ev.Attributes["propagation"] = m.Destination, m.Propagation
			ev.Attributes["read/write"] = strconv.FormatBool(!m.ReadOnly)
		}
		out = append(out, ev)
	}
	return out
}

// networksOf refers to the networks that a container is on, by name.
func networksOf(c *engine.Container) []string {
	if mode := c.Spec.NetworkMode; mode == "host" || mode == "none" {
		return []string{mode}
	}
	var refs []string
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		if id := c.Endpoints[name].NetworkID; id != "" {
			refs = append(refs, id)
		}
	}
	return refs
}
