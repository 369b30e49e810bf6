package option

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
)

// The options of a container on a network.
const (
	endpointSysctls   = "com.docker.network.endpoint.sysctls"
	EndpointInterface = "com.docker.network.endpoint.ifname"
)

// placeholder stands for the interface's name in a kernel parameter's.
const placeholder = "IFNAME"

// Endpoint are the options of a container on a network, read.
type Endpoint struct {
	Interface string // its name inside; "": not said
	// Sysctls are kernel parameters of the interface: paths below /proc/sys, with IFNAME
	// in the place of its name; in order.
	Sysctls []Sysctl
}

// Sysctl is a kernel parameter.
type Sysctl struct{ Path, Value string }

// For is the path for an interface of that name.
func (s Sysctl) For(ifname string) string { return strings.Replace(s.Path, placeholder, ifname, 1) }

// ParseEndpoint reads the options of an endpoint.
func ParseEndpoint(opts map[string]string) (Endpoint, error) {
	var e Endpoint
	for _, key := range slices.Sorted(maps.Keys(opts)) {
		var err error
		switch key {
		case EndpointInterface:
			e.Interface, err = opts[key], interfaceName(opts[key])
		case endpointSysctls:
			e.Sysctls, err = readSysctls(opts[key])
		default:
			return e, engine.Hint(engine.Problem(engine.ErrUnsupported,
				fmt.Errorf("driver option %s of an endpoint is not supported", key)),
				"there are "+EndpointInterface+" and "+endpointSysctls)
		}
		if err != nil {
			return e, engine.Problem(engine.ErrInvalid, fmt.Errorf("driver option %s=%s: %w", key, opts[key], err))
		}
	}
	return e, nil
}

// readSysctls reads net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.… Only parameters of the
// interface itself can be set: those of the namespace are the container's (sysctls).
func readSysctls(text string) ([]Sysctl, error) {
	var all []Sysctl
	for item := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
		parts := strings.Split(name, ".")
		if !ok || len(parts) != 5 || parts[0] != "net" || parts[3] != placeholder {
			return nil, fmt.Errorf("%q is not of the form net.FAMILY.KIND.%s.NAME=VALUE, such as net.ipv4.conf.%s.log_martians=1", item, placeholder, placeholder)
		}
		for _, part := range parts {
			if part == "" || strings.Contains(part, "/") {
				return nil, fmt.Errorf("%q is no name of a kernel parameter", name)
			}
		}
		all = append(all, Sysctl{strings.Join(parts, "/"), value})
	}
	return all, nil
}
