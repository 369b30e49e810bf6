package project

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/attribute"
	"tiffin/project/consistent"
	"tiffin/project/fault"
	"tiffin/project/hash"
	"tiffin/project/job"
)

// Stack translates the project for the engine. It reads the files that configs,
// secrets and seccomp profiles name.
//
// Errors: engine.ErrUnsupported for what tiffin does not carry out and cannot leave
// out, engine.ErrInvalid for values that make no sense, each with its place.
func (p *Project) Stack() (*engine.Stack, error) {
	out, err := p.translate()
	if err == nil {
		err = attribute.Screen(p.used(), p.attributes, consistent.Bases(p.model), p.warnAt)
	}
	if err == nil {
		_, err = p.Watches()
	}
	if err != nil {
		return nil, p.texts.locate(err)
	}
	return out, nil
}

func (p *Project) translate() (*engine.Stack, error) {
	out := &engine.Stack{
		Name:        p.model.Name,
		WorkingDir:  p.site.dir,
		ConfigFiles: p.model.ComposeFiles,
		EnvFiles:    p.site.chosenEnvFiles,
		Disabled:    p.model.DisabledServiceNames(),
	}
	for _, name := range p.model.ServiceNames() {
		s := p.model.Services[name]
		service, err := p.service(&s)
		if err == nil && p.texts.jobs != nil {
			service.Job, err = job.Triggers(p.model, name)
		}
		if err != nil {
			return nil, err
		}
		out.Services = append(out.Services, service)
	}
	for _, name := range consistent.Bases(p.model) {
		s := p.model.DisabledServices[name]
		service, err := p.base(&s)
		if err != nil {
			return nil, err
		}
		out.Bases = append(out.Bases, service)
	}
	used := p.used()
	for _, key := range used.NetworkNames() {
		n, err := network(key, used.Networks[key])
		if err != nil {
			return nil, err
		}
		out.Networks = append(out.Networks, n)
	}
	for _, key := range used.VolumeNames() {
		v, err := volume(key, used.Volumes[key])
		if err != nil {
			return nil, err
		}
		out.Volumes = append(out.Volumes, v)
	}
	return out, nil
}

func volume(key string, v types.VolumeConfig) (engine.VolumeSpec, error) {
	if v.Driver != "" && v.Driver != "local" {
		return engine.VolumeSpec{}, fault.At([]string{"volumes", key, "driver"},
			"volume %q: there is no volume driver %q", key, v.Driver).
			Hint("tiffin has the driver \"local\".").Unsupported()
	}
	out := engine.VolumeSpec{
		Key: key, Name: v.Name, External: bool(v.External),
		Driver: v.Driver, DriverOpts: v.DriverOpts, Labels: v.Labels,
	}
	if !out.External {
		out.Hash = hash.Volume(v)
	}
	return out, nil
}

func network(key string, n types.NetworkConfig) (engine.NetworkSpec, error) {
	path := []string{"networks", key}
	out := engine.NetworkSpec{
		Key: key, Name: n.Name, External: bool(n.External),
		Driver: n.Driver, DriverOpts: n.DriverOpts,
		Internal: n.Internal, Attachable: n.Attachable,
		DisableIPv4: n.EnableIPv4 != nil && !*n.EnableIPv4,
		EnableIPv6:  n.EnableIPv6 != nil && *n.EnableIPv6,
		Labels:      n.Labels,
	}
	switch n.Driver {
	case "", "bridge", "host", "none", "macvlan", "ipvlan":
	case "default":
		out.Driver = ""
	case "null":
		out.Driver = "none"
	default:
		return out, fault.At(append(path, "driver"), "network %q: there is no network driver %q", key, n.Driver).
			Hint("Leave the driver out, or say \"bridge\".").Unsupported()
	}
	if d := n.Ipam.Driver; d != "" && d != "default" {
		return out, fault.At(append(path, "ipam", "driver"), "network %q: there is no ipam driver %q", key, d).
			Hint("Leave the ipam driver out.").Unsupported()
	}
	if !out.External {
		out.Hash = hash.Network(n)
	}
	for i, pool := range n.Ipam.Config {
		one, err := addresses(append(path, "ipam", "config", strconv.Itoa(i)), pool)
		if err != nil {
			return out, err
		}
		out.Pools = append(out.Pools, one)
	}
	return out, nil
}

func addresses(path []string, pool *types.IPAMPool) (engine.Pool, error) {
	var out engine.Pool
	var err error
	if out.Subnet, err = prefix(append(path, "subnet"), pool.Subnet); err != nil {
		return out, err
	}
	if out.Range, err = prefix(append(path, "ip_range"), pool.IPRange); err != nil {
		return out, err
	}
	if out.Gateway, err = address(append(path, "gateway"), pool.Gateway); err != nil {
		return out, err
	}
	for name, text := range pool.AuxiliaryAddresses {
		a, err := address(append(path, "aux_addresses", name), text)
		if err != nil {
			return out, err
		}
		if out.Aux == nil {
			out.Aux = map[string]netip.Addr{}
		}
		out.Aux[name] = a
	}
	return out, nil
}

// address parses an IP address; "" is none.
func address(path []string, text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return a, fault.At(path, "%s: %q is not an IP address", fault.Dotted(path), text)
	}
	return a, nil
}

// prefix parses a subnet; "" is none.
func prefix(path []string, text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return n, fault.At(path, "%s: %q is not a subnet", fault.Dotted(path), text).Hint("Write it as 10.1.0.0/24.")
	}
	return n.Masked(), nil
}

// service translates one service.
func (p *Project) service(s *types.ServiceConfig) (_ engine.Service, err error) {
	if s.Provider != nil {
		return p.provided(s), nil
	}
	out := engine.Service{
		Name:          s.Name,
		Hash:          hash.Service(*s),
		Scale:         s.GetScale(),
		ContainerName: s.ContainerName,
		APISocket:     s.UseAPISocket,
		NoAttach:      s.Attach != nil && !*s.Attach,
		DependsOn:     p.dependencies(s),
		PostStart:     hooks(s.PostStart),
		PreStop:       hooks(s.PreStop),
	}
	for _, translate := range []func(*types.ServiceConfig, *engine.Service) error{pulling, updating} {
		if err := translate(s, &out); err != nil {
			return out, err
		}
	}
	if err := p.building(s, &out); err != nil {
		return out, err
	}
	if out.Container, err = p.container(s); err != nil {
		return out, err
	}
	out.PreStart, err = p.preStart(s, &out.Container)
	return out, err
}

// base translates what there is to know of a service that is only built.
func (p *Project) base(s *types.ServiceConfig) (engine.Service, error) {
	out := engine.Service{Name: s.Name}
	if err := p.building(s, &out); err != nil {
		return out, err
	}
	return out, p.image(s, &out.Container)
}

func pulling(s *types.ServiceConfig, out *engine.Service) error {
	path := fault.In(s, "pull_policy")
	policy, after, err := s.GetPullPolicy()
	if err != nil {
		return fault.At(path, "%s: %q is no pull policy", fault.Dotted(path), s.PullPolicy).
			Hint("Say missing, always, never, build, daily, weekly or every_<duration>.")
	}
	out.PullRefreshAfter = engine.Duration(after)
	switch {
	case s.PullPolicy == "":
	case policy == types.PullPolicyIfNotPresent:
		out.PullPolicy = engine.PullMissing
	default:
		out.PullPolicy = engine.PullPolicy(policy)
	}
	if s.PullRefreshAfter == "" {
		return nil
	}
	out.PullRefreshAfter, err = duration(fault.In(s, "pull_refresh_after"), s.PullRefreshAfter)
	return err
}

func (p *Project) dependencies(s *types.ServiceConfig) []engine.Dependency {
	var out []engine.Dependency
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		d := s.DependsOn[name]
		if _, named := p.named[s.Name][name]; !named && sharesNetworkOnly(s, name) {
			// A network namespace is the replica's, not the process's: who is in it need not
			// be restarted with its owner, as Compose has it.
			d.Restart = false
		}
		out = append(out, engine.Dependency{
			Service:   name,
			Condition: engine.Condition(cmp.Or(d.Condition, types.ServiceConditionStarted)),
			Restart:   d.Restart,
			Optional:  !d.Required,
		})
	}
	return out
}

// sharesNetworkOnly says that a service enters the network namespace of another one, and no
// other namespace of it.
func sharesNetworkOnly(s *types.ServiceConfig, other string) bool {
	ref := types.ServicePrefix + other
	return s.NetworkMode == ref && !slices.Contains([]string{s.Pid, s.Ipc, s.Uts, s.Cgroup}, ref)
}

func hooks(list []types.ServiceHook) []engine.Hook {
	var out []engine.Hook
	for _, h := range list {
		out = append(out, engine.Hook{
			Command: h.Command, User: h.User, WorkingDir: h.WorkingDir,
			Env: environment(h.Environment), Privileged: h.Privileged,
		})
	}
	return out
}

// environment is sorted; a variable without a value is one to unset.
func environment(m types.MappingWithEquals) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if v := m[k]; v != nil {
			out = append(out, k+"="+*v)
		} else {
			out = append(out, k)
		}
	}
	return out
}
