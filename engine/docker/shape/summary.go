package shape

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
)

// Summary is a line of GET /containers/json; sizes may be nil.
func Summary(c *engine.Container, now time.Time, sizes *Sizes) container.Summary {
	out := container.Summary{
		ID: c.ID, Names: []string{"/" + c.Name}, Image: c.Spec.Image, ImageID: c.ImageID,
		Command: strings.Join(c.Args, " "), Created: c.Created.Unix(), Ports: portSummaries(c),
		Labels: c.Spec.Labels, State: container.ContainerState(c.State.Status.Docker()), Status: c.StatusText(now),
		NetworkSettings: &container.NetworkSettingsSummary{Networks: Endpoints(c)}, Mounts: MountPoints(c),
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	out.HostConfig.NetworkMode = NetworkMode(&c.Spec)
	out.HostConfig.Annotations = c.Spec.Annotations
	out.Health = &container.HealthSummary{Status: container.NoHealthcheck}
	if h := c.State.Health; h.Status != engine.HealthNone {
		out.Health = &container.HealthSummary{Status: container.HealthStatus(h.Status), FailingStreak: h.FailingStreak}
	}
	if sizes != nil {
		out.SizeRw, out.SizeRootFs = sizes.Writable, sizes.Root
	}
	return out
}

func portSummaries(c *engine.Container) []container.PortSummary {
	out := []container.PortSummary{}
	if !c.State.Status.Alive() {
		return out
	}
	ports := BoundPorts(c)
	for p, bindings := range ports {
		if len(bindings) == 0 {
			out = append(out, container.PortSummary{PrivatePort: p.Num(), Type: string(p.Proto())})
		}
	}
	for _, p := range c.Published {
		if p.HostPort != 0 {
			out = append(out, container.PortSummary{IP: p.HostIP, PrivatePort: p.ContainerPort, PublicPort: p.HostPort, Type: p.Protocol})
		}
	}
	slices.SortFunc(out, func(a, b container.PortSummary) int {
		if a.PrivatePort != b.PrivatePort {
			return int(a.PrivatePort) - int(b.PrivatePort)
		}
		if d := strings.Compare(a.Type, b.Type); d != 0 {
			return d
		}
		return a.IP.Compare(b.IP)
	})
	return out
}
