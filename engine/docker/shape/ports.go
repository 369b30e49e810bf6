package shape

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/blkiodev"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

// ports says what is exposed and published.
func (w *Wish) ports(c *container.Config, h *container.HostConfig) error {
	s := &w.Spec
	for _, p := range slices.SortedFunc(maps.Keys(c.ExposedPorts), comparePorts) {
		s.Expose = append(s.Expose, p.String())
	}
	for _, p := range slices.SortedFunc(maps.Keys(h.PortBindings), comparePorts) {
		if !slices.Contains(s.Expose, p.String()) {
			s.Expose = append(s.Expose, p.String())
		}
		for _, b := range h.PortBindings[p] {
			binding := engine.PortBinding{HostIP: b.HostIP, ContainerPort: p.Num(), Protocol: string(p.Proto())}
			var err error
			if binding.HostPort, binding.HostPortEnd, err = hostPorts(b.HostPort); err != nil {
				return err
			}
			s.Ports = append(s.Ports, binding)
		}
	}
	return nil
}

func comparePorts(a, b network.Port) int {
	if a.Num() != b.Num() {
		return int(a.Num()) - int(b.Num())
	}
	return strings.Compare(string(a.Proto()), string(b.Proto()))
}

// hostPorts reads "", a port, or a range of them of which a free one is taken.
func hostPorts(text string) (first, last uint16, err error) {
	if text == "" {
		return 0, 0, nil
	}
	from, to, isRange := strings.Cut(text, "-")
	a, err := strconv.ParseUint(from, 10, 16)
	if err != nil {
		return 0, 0, invalid("invalid port specification: %q", text)
	}
	if !isRange {
		return uint16(a), 0, nil
	}
	b, err := strconv.ParseUint(to, 10, 16)
	if err != nil || b < a {
		return 0, 0, invalid("invalid port specification: %q", text)
	}
	return uint16(a), uint16(b), nil
}

// PublishAll adds an ephemeral host port for each port that is exposed and not published.
func PublishAll(spec *engine.ContainerSpec, image *engine.ImageConfig) error {
	for _, text := range slices.Concat(spec.Expose, image.Expose) {
		p, err := network.ParsePort(text)
		if err != nil {
			return invalid("invalid exposed port %q: %w", text, err)
		}
		has := func(b engine.PortBinding) bool { return b.ContainerPort == p.Num() && b.Protocol == string(p.Proto()) }
		if !slices.ContainsFunc(spec.Ports, has) {
			spec.Ports = append(spec.Ports, engine.PortBinding{ContainerPort: p.Num(), Protocol: string(p.Proto())})
		}
	}
	return nil
}

func rates(list []*blkiodev.ThrottleDevice) []engine.Rate {
	var out []engine.Rate
	for _, d := range list {
		out = append(out, engine.Rate{Path: d.Path, Rate: d.Rate})
	}
	return out
}
