package container

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/engine/ocispec"
)

// bridgeLink is a container that another one on the default bridge is linked to. No name leads to a container there,
// so what a link says is in the files and the environment of who has it, as Docker has it, from one start to the next.
type bridgeLink struct {
	alias string
	to    engine.Container
}

// bridgeLinks are those of a container, if it is on the default bridge. On other networks they are names.
//
// Errors: engine.ErrInvalid.
func (r *Rooms) bridgeLinks(c *engine.Container) ([]bridgeLink, error) {
	if c.Spec.NetworkMode != BridgeMode {
		return nil, nil
	}
	var out []bridgeLink
	for _, text := range c.Spec.Links {
		name, alias, ok := strings.Cut(text, ":")
		if !ok {
			alias = name
		}
		record, err := r.linkTarget(c, name)
		if err != nil {
			return nil, invalidLink("could not get container for %s: %s", name, err.Error())
		}
		owner, err := r.networkOwner(&record)
		switch {
		case err != nil:
			return nil, err
		case owner.Spec.NetworkMode == "host":
			return nil, invalidLink("conflicting options: host type networking can't be used with links. This would result in undefined behavior")
		}
		out = append(out, bridgeLink{alias, *owner})
	}
	return out, nil
}

// linkTarget is the service of a container's project that is called so, or a container.
func (r *Rooms) linkTarget(c *engine.Container, name string) (engine.Container, error) {
	if c.Project != "" {
		if record, ok := r.Index.Replica(c.Project, name); ok {
			return record, nil
		}
	}
	other, err := r.Index.Container(name)
	if err != nil {
		return engine.Container{}, err
	}
	return other.Snapshot(), nil
}

// checkLinks looks whether the links of a container that is made lead anywhere. In a project that is made all at once,
// what they lead to may come later; there, starts are in order.
func (r *Rooms) checkLinks(c *engine.Container) error {
	if c.Project != "" {
		return nil
	}
	_, err := r.bridgeLinks(c)
	return err
}

func invalidLink(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

// findLinks finds out what the links of a container that starts say. Each has to lead somewhere.
func (s *starter) findLinks(context.Context) (err error) {
	if s.links, err = s.rooms.bridgeLinks(&s.record); err != nil {
		return err
	}
	for i := range s.links {
		to := &s.links[i].to
		switch _, on := to.Endpoints[BridgeMode]; {
		case !to.State.Status.Alive():
			return fmt.Errorf("Cannot link to a non running container: /%s AS /%s/%s", to.Name, s.record.Name, s.links[i].alias) //nolint:staticcheck // Docker's text
		case !on:
			return fmt.Errorf("Cannot link to /%s, as it does not belong to the default network", to.Name) //nolint:staticcheck // Docker's text
		}
	}
	s.input.Links = linkVariables(s.record.Name, s.links)
	return nil
}

// liveLinks are those links of a container that runs which still lead somewhere.
func (r *Rooms) liveLinks(c *engine.Container) []bridgeLink {
	list, err := r.bridgeLinks(c)
	if err != nil {
		return nil // of one that was removed since
	}
	return slices.DeleteFunc(list, func(l bridgeLink) bool {
		_, on := l.to.Endpoints[BridgeMode]
		return !on || !l.to.State.Status.Alive()
	})
}

// address is where a link leads.
func (l *bridgeLink) address() string { return l.to.Endpoints[BridgeMode].IPv4.Addr().String() }

// withLinks is a spec whose further hosts are those of links, too.
func (r *Rooms) withLinks(spec engine.ContainerSpec, list []bridgeLink) *engine.ContainerSpec { //nolint:gocritic // it is a copy that is wanted
	spec.ExtraHosts = slices.Clone(spec.ExtraHosts)
	for i := range list {
		names := []string{list[i].alias, r.hostname(&list[i].to)}
		if list[i].alias != list[i].to.Name {
			names = append(names, list[i].to.Name)
		}
		spec.ExtraHosts = append(spec.ExtraHosts, strings.Join(names, " ")+"="+list[i].address())
	}
	return &spec
}

// linkVariables is what links add to the environment of a container that is called name.
func linkVariables(name string, list []bridgeLink) []string {
	var out []string
	for i := range list {
		l := &list[i]
		prefix := strings.ReplaceAll(strings.ToUpper(l.alias), "-", "_")
		config := ocispec.ImageConfig(&l.to)
		ports := exposedPorts(config.Expose)
		for k, p := range ports {
			at := fmt.Sprintf("%s://%s:%d", p.protocol, l.address(), p.number)
			port := fmt.Sprintf("%s_PORT_%d_%s", prefix, p.number, strings.ToUpper(p.protocol))
			if k == 0 {
				out = append(out, prefix+"_PORT="+at)
			}
			out = append(out, port+"="+at, port+"_ADDR="+l.address(), port+"_PORT="+strconv.Itoa(p.number), port+"_PROTO="+p.protocol)
		}
		out = append(out, fmt.Sprintf("%s_NAME=/%s/%s", prefix, name, l.alias))
		for _, entry := range config.Env {
			if key, _, ok := strings.Cut(entry, "="); ok && key != "HOME" && key != "PATH" {
				out = append(out, prefix+"_ENV_"+entry)
			}
		}
	}
	return out
}

type exposedPort struct {
	number   int
	protocol string
}

// exposedPorts reads NUMBER/PROTOCOL. The lowest is the first, which is where a link leads by itself.
func exposedPorts(list []string) []exposedPort {
	var out []exposedPort
	for _, text := range list {
		number, protocol, _ := strings.Cut(text, "/")
		if n, err := strconv.Atoi(number); err == nil {
			out = append(out, exposedPort{n, cmp.Or(protocol, "tcp")})
		}
	}
	slices.SortFunc(out, func(a, b exposedPort) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.protocol, b.protocol))
	})
	return out
}
