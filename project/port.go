package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
	"tiffin/project/shape"
)

// ports translates published and exposed ports. compose-go has made one entry for each
// container port.
func ports(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	for i, port := range s.Ports {
		b, err := binding(fault.In(s, "ports", strconv.Itoa(i)), port)
		if err != nil {
			return err
		}
		out.Ports = append(out.Ports, b)
	}
	for i, text := range s.Expose {
		list, err := exposed(fault.In(s, "expose", strconv.Itoa(i)), text)
		if err != nil {
			return err
		}
		out.Expose = append(out.Expose, list...)
	}
	return nil
}

func binding(path []string, port types.ServicePortConfig) (engine.PortBinding, error) {
	out := engine.PortBinding{
		Protocol: strings.ToLower(orElse(port.Protocol, "tcp")),
		Name:     port.Name, AppProtocol: port.AppProtocol, Mode: port.Mode,
	}
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, out.Protocol) {
		return out, fault.At(path, "%s: there is no protocol %q", fault.Dotted(path), port.Protocol).Hint("Say tcp, udp or sctp.")
	}
	if port.Target == 0 || port.Target > 65535 {
		return out, fault.At(path, "%s: the container's port (target) is between 1 and 65535", fault.Dotted(path))
	}
	out.ContainerPort = uint16(port.Target)
	var err error
	if out.HostIP, err = address(path, port.HostIP); err != nil {
		return out, err
	}
	if port.Published == "" {
		return out, nil
	}
	out.HostPort, out.HostPortEnd, err = portRange(path, port.Published)
	return out, err
}

// exposed translates 80, 80/udp and 8000-8010 to the form of images: 80/tcp.
func exposed(path []string, text string) ([]string, error) {
	numbers, protocol, ok := strings.Cut(text, "/")
	if !ok {
		protocol = "tcp"
	}
	from, to, err := portRange(path, numbers)
	if err != nil {
		return nil, err
	}
	var out []string
	for n := int(from); n <= max(int(from), int(to)); n++ {
		out = append(out, fmt.Sprintf("%d/%s", n, strings.ToLower(protocol)))
	}
	return out, nil
}

// portRange parses 80 or 8000-8010; the end is 0 for a single port.
func portRange(path []string, text string) (from, to uint16, err error) {
	first, last, err := shape.ParsePorts(text)
	if err != nil {
		return 0, 0, fault.BadValue(path, err)
	}
	if first == last {
		last = 0
	}
	return uint16(first), uint16(last), nil
}
