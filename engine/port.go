package engine

import (
	"fmt"
	"net/netip"
)

// PortBinding is a port to be published.
type PortBinding struct {
	HostIP        netip.Addr `json:",omitzero"` // zero: all addresses
	HostPort      uint16     `json:",omitempty"`
	HostPortEnd   uint16     `json:",omitempty"` // with HostPort: take a free one of this range; both 0: an ephemeral one
	ContainerPort uint16
	Protocol      string // tcp, udp, sctp
	Name          string `json:",omitempty"`
	AppProtocol   string `json:",omitempty"`
	Mode          string `json:",omitempty"`
	Direct        bool   `json:",omitempty"` // opened at the container's own address, in HostIP's family, instead
}

func (b PortBinding) String() string {
	host := ""
	if b.HostIP.IsValid() {
		host = netip.AddrPortFrom(b.HostIP, 0).String()
		host = host[:len(host)-1]
	}
	switch {
	case b.HostPort == 0:
		return fmt.Sprintf("%s%d/%s", host, b.ContainerPort, b.Protocol)
	case b.HostPortEnd > b.HostPort:
		return fmt.Sprintf("%s%d-%d:%d/%s", host, b.HostPort, b.HostPortEnd, b.ContainerPort, b.Protocol)
	default:
		return fmt.Sprintf("%s%d:%d/%s", host, b.HostPort, b.ContainerPort, b.Protocol)
	}
}

// PublishedPort is a port as it is bound.
type PublishedPort struct {
	HostIP        netip.Addr
	HostPort      uint16 // 0: opened at the container's own address, see PortBinding.Direct
	ContainerPort uint16
	Protocol      string
}

func (p PublishedPort) String() string {
	return fmt.Sprintf("%s->%d/%s", netip.AddrPortFrom(p.HostIP, p.HostPort), p.ContainerPort, p.Protocol)
}
