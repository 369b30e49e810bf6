package option

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"tiffin/engine"
)

// The options of Docker's bridge driver, and those that all its drivers share.
const (
	bridgeName  = "com.docker.network.bridge.name"
	masquerade  = "com.docker.network.bridge.enable_ip_masquerade"
	icc         = "com.docker.network.bridge.enable_icc"
	gateway4    = "com.docker.network.bridge.gateway_mode_ipv4"
	gateway6    = "com.docker.network.bridge.gateway_mode_ipv6"
	inhibit4    = "com.docker.network.bridge.inhibit_ipv4"
	hostBinding = "com.docker.network.bridge.host_binding_ipv4"
	source4     = "com.docker.network.host_ipv4"
	source6     = "com.docker.network.host_ipv6"
	prefix      = "com.docker.network.container_iface_prefix"
	mtu         = "com.docker.network.driver.mtu"
)

// elsewhere are options of Docker's that tiffin has another way for.
var elsewhere = map[string]string{
	"com.docker.network.enable_ipv4":                    "say enable_ipv4 in the network's definition",
	"com.docker.network.enable_ipv6":                    "say enable_ipv6 in the network's definition",
	"com.docker.network.internal":                       "say internal in the network's definition",
	"com.docker.network.bridge.default_bridge":          "say network_mode: bridge in the service for the default bridge",
	"com.docker.network.bridge.trusted_host_interfaces": "say gateway_mode_ipv4: routed to open published ports on the containers' own addresses",
}

// Mode is what a bridge network does with packets that leave it or come to it.
type Mode int

// The modes, by Docker's names.
const (
	// NAT: containers reach the outside as the host, and are reached by published ports.
	NAT Mode = iota
	// Unprotected is NAT, and whoever has a route reaches all ports, published or not.
	Unprotected
	// Routed: no address is translated; who has a route reaches the published ports.
	Routed
	// Isolated: the host has no address on the network either. For internal networks.
	Isolated
)

var modes = map[string]Mode{"nat": NAT, "nat-unprotected": Unprotected, "routed": Routed, "isolated": Isolated}

// Network are the options of a network, read.
type Network struct {
	Bridge      string // name of the link; "": ours to choose
	MTU         int    // 0: the kernel's
	NoNAT       bool   // containers leave with their own addresses
	NoICC       bool   // containers do not reach each other
	Mode4       Mode
	Mode6       Mode
	InhibitIPv4 bool       // the bridge gets no address of IPv4
	HostBinding netip.Addr // where ports are published that say no address; zero: on all
	Source4     netip.Addr // what the outside sees; zero: the address of the link that a packet leaves by
	Source6     netip.Addr
	Prefix      string // of the names of interfaces in containers: "eth"

	Parent string // macvlan and ipvlan: the link of the host; "": one of ours that leads nowhere
	VLAN   VLAN
}

// Parse reads the options of a network, and says whether its driver has them.
//
// Errors: ErrUnsupported for options that are not carried out, ErrInvalid for values.
func Parse(n *engine.NetworkSpec) (Network, error) {
	o := Network{Prefix: "eth"}
	set := o.bridge
	switch n.Driver {
	case "macvlan":
		set, o.VLAN.Mode = o.macvlan, macvlanBridge
	case "ipvlan":
		set = o.ipvlan
	case "host", "none", "null":
		set = func(string, string) (bool, error) { return false, nil }
	}
	for _, key := range slices.Sorted(maps.Keys(n.DriverOpts)) {
		value := n.DriverOpts[key]
		known, err := set(key, value)
		if err == nil && !known && n.Driver != "host" && n.Driver != "none" {
			known, err = o.common(key, value)
		}
		if err != nil {
			return o, engine.Problem(engine.ErrInvalid, fmt.Errorf("driver option %s=%s: %w", key, value, err))
		}
		if !known {
			return o, unsupported(key, n.Driver)
		}
	}
	return o, o.fits(n)
}

func unsupported(key, driver string) error {
	if driver == "" {
		driver = "bridge"
	}
	hint := "leave it out"
	if instead, ok := elsewhere[key]; ok {
		hint = instead
	}
	return engine.Hint(engine.Problem(engine.ErrUnsupported,
		fmt.Errorf("driver option %s is not supported by the driver %s", key, driver)), hint)
}

// common reads the options that all drivers have.
func (o *Network) common(key, value string) (known bool, err error) {
	switch key {
	case mtu:
		o.MTU, err = readMTU(value)
	case prefix:
		o.Prefix, err = value, interfaceName(value+"0")
	default:
		return false, nil
	}
	return true, err
}

// minMTU is what IPv4 needs at least (RFC 791), maxMTU what the kernel's links take.
const minMTU, maxMTU = 68, 65535

func readMTU(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err == nil && n != 0 && (n < minMTU || n > maxMTU) {
		err = fmt.Errorf("an MTU is between %d and %d, or 0 for the usual one", minMTU, maxMTU)
	}
	return n, err
}

// bridge reads the options of the bridge driver.
func (o *Network) bridge(key, value string) (known bool, err error) {
	switch key {
	case bridgeName:
		o.Bridge, err = value, interfaceName(value)
	case masquerade:
		err = off(&o.NoNAT, value)
	case icc:
		err = off(&o.NoICC, value)
	case inhibit4:
		o.InhibitIPv4, err = strconv.ParseBool(value)
	case gateway4:
		o.Mode4, err = readMode(value)
	case gateway6:
		o.Mode6, err = readMode(value)
	case hostBinding:
		o.HostBinding, err = netip.ParseAddr(value)
	case source4:
		o.Source4, err = readAddr(value, netip.Addr.Is4, "IPv4")
	case source6:
		o.Source6, err = readAddr(value, netip.Addr.Is6, "IPv6")
	default:
		return false, nil
	}
	return true, err
}

// off reads a switch that is on unless it is said to be off.
func off(to *bool, value string) error {
	on, err := strconv.ParseBool(value)
	*to = !on
	return err
}

func readMode(value string) (Mode, error) {
	m, ok := modes[value]
	if !ok {
		return m, errors.New("the modes are nat, nat-unprotected, routed and isolated")
	}
	return m, nil
}

func readAddr(value string, is func(netip.Addr) bool, family string) (netip.Addr, error) {
	a, err := netip.ParseAddr(value)
	if err == nil && !is(a) {
		err = fmt.Errorf("an address of %s is expected", family)
	}
	return a, err
}

// InterfaceName checks the name of an interface.
//
// Errors: ErrInvalid.
func InterfaceName(name string) error {
	if err := interfaceName(name); err != nil {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("interface name %q: %w", name, err))
	}
	return nil
}

// interfaceName checks a name as the kernel does (dev_valid_name).
func interfaceName(name string) error {
	if name == "" || len(name) > 15 || name == "." || name == ".." {
		return errors.New("an interface name has 1 to 15 characters")
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c == '/' || c == ':' || c > '~' {
			return fmt.Errorf("%q may not be in an interface name", c)
		}
	}
	return nil
}

// fits checks options against each other and against the rest of the definition.
func (o *Network) fits(n *engine.NetworkSpec) error {
	isolated := o.Mode4 == Isolated || o.Mode6 == Isolated
	switch {
	case isolated && !n.Internal:
		return engine.Hint(engine.Problem(engine.ErrInvalid,
			errors.New("gateway mode isolated: only an internal network can be isolated from the host")), "say internal: true, too")
	case n.Internal && o.Parent != "":
		return engine.Hint(engine.Problem(engine.ErrInvalid,
			fmt.Errorf("driver option parent=%s: an internal network with a parent reaches what is behind it", o.Parent)),
			"leave out internal, or parent: without one the containers reach only each other")
	case o.Parent == "" && o.VLAN.Mode == macvlanPassthru && n.Driver == "macvlan":
		return engine.Hint(engine.Problem(engine.ErrInvalid,
			errors.New("driver option macvlan_mode=passthru: needs a parent to pass through")), "say parent, too")
	default:
		return nil
	}
}

// Mode is that of a family.
func (o *Network) Mode(a netip.Addr) Mode {
	if a.Is6() {
		return o.Mode6
	}
	return o.Mode4
}

// Translates says whether packets of a family leave with an address of the host's.
func (o *Network) Translates(a netip.Addr) bool {
	m := o.Mode(a)
	return !o.NoNAT && (m == NAT || m == Unprotected)
}

// HostAddress says whether the host has that address on the network.
func (o *Network) HostAddress(a netip.Addr) bool {
	return o.Mode(a) != Isolated && (a.Is6() || !o.InhibitIPv4)
}
