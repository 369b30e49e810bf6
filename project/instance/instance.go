package instance

import (
	"maps"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Valid says that an instance may have this name: what a project name may have, since it becomes a part of one.
func Valid(name string) bool {
	ok := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }
	for i, r := range name {
		if !ok(r) && (i == 0 || r != '-' && r != '_') {
			return false
		}
	}
	return name != ""
}

// Project is the name of the copy's project.
func Project(project, name string) string { return project + "-" + name }

// Isolate returns the copy of that name of a project, whose name is the copy's already: names that follow from the
// project's are the copy's by that. Fixed ones get the suffix, fixed host ports become free ones on the same address,
// and subnets that no service has a fixed address in are chosen anew. External networks and volumes are shared.
func Isolate(model *types.Project, name string) *types.Project {
	c := copying{project: model.Name, suffix: "-" + name, containers: map[string]string{}}
	out := *model
	for _, all := range []types.Services{model.Services, model.DisabledServices} {
		for _, s := range all {
			if s.ContainerName != "" {
				c.containers[s.ContainerName] = c.own(s.ContainerName)
			}
		}
	}
	out.Services, out.DisabledServices = c.services(model.Services), c.services(model.DisabledServices)
	out.Networks = types.Networks{}
	for key, n := range model.Networks {
		if !n.External {
			n = c.network(n, hasFixedAddress(model, key))
		}
		out.Networks[key] = n
	}
	out.Volumes = types.Volumes{}
	for key, v := range model.Volumes {
		if !v.External {
			v.Name = c.own(v.Name)
		}
		out.Volumes[key] = v
	}
	return &out
}

type copying struct {
	project, suffix string
	containers      map[string]string // container_name → the copy's
}

// own is a name that is the copy's own; what bears the name of its project is.
func (c *copying) own(name string) string {
	if name == "" || strings.HasPrefix(name, c.project+"_") || strings.HasPrefix(name, c.project+"-") {
		return name
	}
	return name + c.suffix
}

func (c *copying) services(all types.Services) types.Services {
	out := types.Services{}
	for key, s := range all {
		s.ContainerName = c.own(s.ContainerName)
		ports := make([]types.ServicePortConfig, len(s.Ports))
		for i, p := range s.Ports {
			p.Published = ""
			ports[i] = p
		}
		if len(ports) > 0 {
			s.Ports = ports
		}
		for _, mode := range []*string{&s.NetworkMode, &s.Pid, &s.Ipc, &s.Uts} {
			*mode = c.reference(*mode)
		}
		s.VolumesFrom = mapped(s.VolumesFrom, c.reference)
		s.ExternalLinks = mapped(s.ExternalLinks, func(link string) string { return c.renamed("", link) })
		out[key] = s
	}
	return out
}

// reference is container:NAME with the copy's container, if the project has that one.
func (c *copying) reference(text string) string {
	if name, ok := strings.CutPrefix(text, types.ContainerPrefix); ok {
		return c.renamed(types.ContainerPrefix, name)
	}
	return text
}

// renamed is prefix and text, which begins with the name of a container: NAME[:more].
func (c *copying) renamed(prefix, text string) string {
	name, more, has := strings.Cut(text, ":")
	if own, ok := c.containers[name]; ok {
		name = own
	}
	if has {
		name += ":" + more
	}
	return prefix + name
}

func mapped(list []string, f func(string) string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

// bridgeName is the option that fixes the name of a link on the host.
const bridgeName = "com.docker.network.bridge.name"

func (c *copying) network(n types.NetworkConfig, keepSubnets bool) types.NetworkConfig { //nolint:revive // a fact about the project
	n.Name = c.own(n.Name)
	if n.Driver != "" && n.Driver != "bridge" && n.Driver != "default" {
		return n // macvlan and ipvlan are about a network that is there
	}
	if _, ok := n.DriverOpts[bridgeName]; ok {
		n.DriverOpts = maps.Clone(n.DriverOpts)
		delete(n.DriverOpts, bridgeName)
	}
	if !keepSubnets {
		n.Ipam.Config = nil
	}
	return n
}

// hasFixedAddress says that a service has an address of its own choice on a network.
func hasFixedAddress(model *types.Project, key string) bool {
	for _, s := range model.Services {
		if on := s.Networks[key]; on != nil && (on.Ipv4Address != "" || on.Ipv6Address != "") {
			return true
		}
	}
	return false
}
