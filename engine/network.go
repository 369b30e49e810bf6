package engine

import (
	"net/netip"
	"time"
)

// NetworkSpec is a network that a Stack wants.
type NetworkSpec struct {
	Key        string // in the Compose file
	Name       string // on the host: project_key, or as given
	Hash       string `json:",omitempty"` // of the definition; a network with another one diverged
	External   bool   `json:",omitempty"`
	Driver     string `json:",omitempty"` // "" is bridge; host, none, macvlan, ipvlan
	DriverOpts map[string]string
	Internal   bool `json:",omitempty"`
	Attachable bool `json:",omitempty"`
	// DisableIPv4 is enable_ipv4: false.
	DisableIPv4 bool              `json:",omitempty"`
	EnableIPv6  bool              `json:",omitempty"`
	Pools       []Pool            `json:",omitempty"`
	Labels      map[string]string `json:",omitempty"`
}

// Pool is one entry of ipam.config.
type Pool struct {
	Subnet  netip.Prefix          `json:",omitzero"`
	Gateway netip.Addr            `json:",omitzero"`
	Range   netip.Prefix          `json:",omitzero"`
	Aux     map[string]netip.Addr `json:",omitempty"` // reserved for others
}

// Network is a network that exists.
type Network struct {
	ID      string // 64 hex digits
	Project string `json:",omitempty"`
	Created time.Time
	Spec    NetworkSpec
	// Pools are the subnets in use, gateways filled in.
	Pools []Pool
	// Bridge is the name of the link on the host.
	Bridge string `json:",omitempty"`
	Parent string `json:",omitempty"` // of macvlan and ipvlan: the host's link that the containers' are made from
}

// EndpointSpec is how a container wants to be on a network.
type EndpointSpec struct {
	// Network is a key of the Stack, or the network's name in a container.
	Network    string
	Aliases    []string          `json:",omitempty"`
	IPv4       netip.Addr        `json:",omitzero"`
	IPv6       netip.Addr        `json:",omitzero"`
	LinkLocal  []netip.Addr      `json:",omitempty"`
	MacAddress string            `json:",omitempty"`
	Interface  string            `json:",omitempty"` // name inside; "": eth0, eth1, …
	Priority   int               `json:",omitempty"` // order of attachment
	GwPriority int               `json:",omitempty"` // owner of the default route
	DriverOpts map[string]string `json:",omitempty"`
	NoService  bool              `json:",omitempty"` // the service's name does not answer with it there
	Links      []string          `json:",omitempty"` // names for others there, its own only: NAME:ALIAS
}

// Endpoint is a container on a network. A replica keeps its addresses when it is
// recreated.
type Endpoint struct {
	ID         string // 64 hex digits
	NetworkID  string
	Network    string       // name
	Interface  string       `json:",omitempty"`
	HostLink   string       `json:",omitempty"` // the veth's end on the host; none with macvlan and ipvlan
	MacAddress string       `json:",omitempty"`
	IPv4       netip.Prefix `json:",omitzero"`
	IPv6       netip.Prefix `json:",omitzero"`
	Gateway4   netip.Addr   `json:",omitzero"` // where the default route leads; unspecified: to the link itself
	Gateway6   netip.Addr   `json:",omitzero"`
	// Names are all names that answer with this endpoint on this network.
	Names []string `json:",omitempty"`
	Spec  EndpointSpec
}
