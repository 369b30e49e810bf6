package networks

import (
	"maps"
	"net/netip"
	"time"

	"tiffin/engine"
	"tiffin/engine/plan"
)

// Inspected is a network as inspect shows it, in the shape of Docker's API.
type Inspected struct {
	Name       string
	ID         string `json:"Id"`
	Created    time.Time
	Scope      string
	Driver     string
	EnableIPv4 bool
	EnableIPv6 bool
	IPAM       IPAM
	Internal   bool
	Attachable bool
	Ingress    bool
	ConfigFrom ConfigFrom
	ConfigOnly bool
	Containers map[string]Member
	Options    map[string]string
	Labels     map[string]string
}

// ConfigFrom is of swarms only.
type ConfigFrom struct{ Network string }

// IPAM says which addresses a network has.
type IPAM struct {
	Driver  string
	Options map[string]string
	Config  []Subnet
}

// Subnet is one of a network's.
type Subnet struct {
	Subnet     string
	IPRange    string                `json:",omitempty"`
	Gateway    string                `json:",omitempty"`
	AuxAddress map[string]netip.Addr `json:"AuxiliaryAddresses,omitempty"`
}

// Member is a container on a network.
type Member struct {
	Name        string
	EndpointID  string
	MacAddress  string
	IPv4Address string
	IPv6Address string
}

// Inspect shows a network and the containers that run on it.
func Inspect(n *engine.Network, containers []engine.Container) Inspected {
	out := Inspected{
		Name: n.Spec.Name, ID: n.ID, Created: n.Created, Scope: scope, Driver: Driver(n),
		EnableIPv4: has4(n), EnableIPv6: n.Spec.EnableIPv6, Internal: n.Spec.Internal, Attachable: n.Spec.Attachable,
		IPAM: IPAM{Driver: "default", Options: map[string]string{}, Config: []Subnet{}}, Containers: map[string]Member{},
		Options: map[string]string{}, Labels: n.Labels(),
	}
	maps.Copy(out.Options, n.Spec.DriverOpts)
	for _, p := range n.Pools {
		s := Subnet{Subnet: p.Subnet.String(), AuxAddress: p.Aux}
		if p.Range.IsValid() {
			s.IPRange = p.Range.String()
		}
		if p.Gateway.IsValid() {
			s.Gateway = p.Gateway.String()
		}
		out.IPAM.Config = append(out.IPAM.Config, s)
	}
	for i := range containers {
		c := &containers[i]
		if e, on := c.Endpoints[n.Spec.Name]; on && e.NetworkID == n.ID && c.State.Status.Alive() {
			out.Containers[c.ID] = Member{
				Name: c.Name, EndpointID: e.ID, MacAddress: e.MacAddress, IPv4Address: text(e.IPv4), IPv6Address: text(e.IPv6),
			}
		}
	}
	return out
}

func text(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// Users counts the containers that a network is kept for: those that run.
func Users(n *engine.Network, containers []engine.Container) int {
	users := 0
	for i := range containers {
		if plan.Holds(n, &containers[i]) {
			users++
		}
	}
	return users
}
