package shape

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

// scopeLocal is the scope of all that there is: tiffin runs on one host.
const scopeLocal = "local"

// NetworkDriver is the driver of a network, by its name.
func NetworkDriver(n *engine.Network) string { return cmp.Or(n.Spec.Driver, network.NetworkBridge) }

// Network is a line of GET /networks.
func Network(n *engine.Network) network.Network {
	host := slices.Contains([]string{"host", "null", "none"}, n.Spec.Driver)
	out := network.Network{
		Name: n.Spec.Name, ID: n.ID, Created: n.Created.UTC(), Scope: scopeLocal, Driver: NetworkDriver(n),
		EnableIPv4: !host && !n.Spec.DisableIPv4, EnableIPv6: n.Spec.EnableIPv6, Internal: n.Spec.Internal, Attachable: n.Spec.Attachable,
		IPAM:    network.IPAM{Driver: "default", Options: map[string]string{}, Config: []network.IPAMConfig{}},
		Options: map[string]string{}, Labels: n.Labels(),
	}
	maps.Copy(out.Options, n.Spec.DriverOpts)
	pools := n.Pools
	if len(pools) == 0 { // as it was asked for
		pools = n.Spec.Pools
	}
	for _, p := range pools {
		out.IPAM.Config = append(out.IPAM.Config, network.IPAMConfig{Subnet: p.Subnet, IPRange: p.Range, Gateway: p.Gateway, AuxAddress: p.Aux})
	}
	return out
}

// InspectNetwork is all that there is to know of a network; of the containers those that run
// are on it.
func InspectNetwork(n *engine.Network, containers []engine.Container) network.Inspect {
	out := network.Inspect{Network: Network(n), Containers: map[string]network.EndpointResource{}}
	for i := range containers {
		c := &containers[i]
		if !c.State.Status.Alive() {
			continue
		}
		e, on := c.Endpoints[n.Spec.Name]
		switch {
		case on && e.NetworkID == n.ID:
			end := network.EndpointResource{Name: c.Name, EndpointID: e.ID, IPv4Address: e.IPv4, IPv6Address: e.IPv6}
			if mac, err := net.ParseMAC(e.MacAddress); err == nil {
				end.MacAddress = network.HardwareAddr(mac)
			}
			out.Containers[c.ID] = end
		case c.Spec.NetworkMode == n.Spec.Name && n.Project == "" && (c.Spec.NetworkMode == network.NetworkHost || c.Spec.NetworkMode == network.NetworkNone):
			out.Containers[c.ID] = network.EndpointResource{Name: c.Name} // nothing there is its own
		}
	}
	return out
}

// ErrNoSwarm is what dockerd says that is no part of a swarm.
var ErrNoSwarm = engine.Problem(engine.ErrUnavailable, errors.New("This node is not a swarm manager. "+ //nolint:staticcheck // clients match on Docker's text
	`Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`))

// AskNetwork reads the network that a client asks for.
//
// Errors: engine.ErrInvalid, engine.ErrDenied for the names that there always are,
// engine.ErrUnsupported, with the field's name, for what tiffin does not carry out, and
// what dockerd without a swarm says.
func AskNetwork(req *network.CreateRequest) (*engine.NetworkSpec, error) {
	if err := networkSupported(req); err != nil {
		return nil, err
	}
	spec := &engine.NetworkSpec{
		Name: req.Name, Driver: cmp.Or(req.Driver, network.NetworkBridge), DriverOpts: req.Options, Internal: req.Internal, Attachable: req.Attachable,
		DisableIPv4: req.EnableIPv4 != nil && !*req.EnableIPv4, EnableIPv6: req.EnableIPv6 != nil && *req.EnableIPv6, Labels: req.Labels,
	}
	if spec.Driver == network.NetworkDefault {
		spec.Driver = network.NetworkBridge
	}
	if req.IPAM == nil {
		return spec, nil
	}
	for _, c := range req.IPAM.Config {
		p := engine.Pool{Subnet: c.Subnet, Range: c.IPRange, Gateway: c.Gateway, Aux: c.AuxAddress}
		switch {
		case !p.Subnet.IsValid() && (p.Range.IsValid() || p.Gateway.IsValid() || len(p.Aux) > 0):
			return nil, invalid("invalid network config:\ninvalid subnet : an address range or a gateway needs one")
		case !p.Subnet.IsValid():
			continue // as without an entry
		case p.Subnet != p.Subnet.Masked():
			return nil, invalid("invalid network config:\ninvalid subnet %s: it should be %s", p.Subnet, p.Subnet.Masked())
		}
		spec.Pools = append(spec.Pools, p)
	}
	return spec, nil
}

func networkSupported(req *network.CreateRequest) error {
	unsupported := func(field, value string) error {
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s %sis not supported by tiffin", field, value))
	}
	ipam := req.IPAM
	if ipam == nil {
		ipam = &network.IPAM{}
	}
	switch {
	case req.Name == "":
		return invalid("invalid name: name is empty")
	case slices.Contains([]string{network.NetworkBridge, network.NetworkHost, network.NetworkNone, network.NetworkDefault}, req.Name):
		return engine.Problem(engine.ErrDenied, fmt.Errorf("operation is not permitted on predefined %s network", req.Name))
	case req.Driver == "host" || req.Driver == "null":
		return engine.Problem(engine.ErrDenied, fmt.Errorf("only one instance of %q network is allowed", req.Driver))
	case req.Ingress, req.Driver == "overlay", req.Scope != "" && req.Scope != scopeLocal:
		return ErrNoSwarm
	case req.ConfigOnly:
		return unsupported("ConfigOnly", "")
	case req.ConfigFrom != nil && req.ConfigFrom.Network != "":
		return unsupported("ConfigFrom", "")
	case ipam.Driver != "" && ipam.Driver != "default":
		return unsupported("IPAM.Driver", fmt.Sprintf("%q ", ipam.Driver))
	case len(ipam.Options) > 0:
		return unsupported("IPAM.Options", "")
	default:
		return nil
	}
}
