package shape

import (
	"cmp"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/storage"

	"tiffin/engine"
)

// Inspected is the answer of GET /containers/{id}/json.
type Inspected struct {
	container.InspectResponse
	NetworkSettings *NetworkSettings
}

// NetworkSettings has what the API had before 1.52, too: templates and scripts read it.
type NetworkSettings struct {
	container.NetworkSettings
	Bridge                 string
	HairpinMode            bool
	LinkLocalIPv6Address   string
	LinkLocalIPv6PrefixLen int
	SecondaryIPAddresses   []string
	SecondaryIPv6Addresses []string
	EndpointID             string
	Gateway                string
	GlobalIPv6Address      string
	GlobalIPv6PrefixLen    int
	IPAddress              string
	IPPrefixLen            int
	IPv6Gateway            string
	MacAddress             string
}

// Places are where the engine has the files of a container.
type Places struct{ Data, Run string }

// Sizes are what a container's files take; nil when nobody asked.
type Sizes struct{ Writable, Root int64 }

// Inspect is all that there is to know of a container.
func Inspect(c *engine.Container, at Places, execs []string, sizes *Sizes) Inspected {
	out := Inspected{
		InspectResponse: container.InspectResponse{
			ID: c.ID, Created: c.Created.UTC().Format(time.RFC3339Nano),
			Args: []string{}, State: State(c), Image: c.ImageID,
			ResolvConfPath: path.Join(at.Run, c.ID, "resolv.conf"), HostnamePath: path.Join(at.Run, c.ID, "hostname"),
			HostsPath: path.Join(at.Run, c.ID, "hosts"), LogPath: path.Join(at.Data, c.ID, "logs"),
			Name: "/" + c.Name, RestartCount: c.State.RestartCount, Driver: "overlayfs", Platform: "linux",
			ExecIDs: execs, HostConfig: HostConfig(c), Mounts: MountPoints(c), Config: Config(c),
			GraphDriver: &storage.DriverData{Name: "overlayfs", Data: map[string]string{"UpperDir": path.Join(at.Data, c.ID, "upper")}},
		},
		NetworkSettings: networkSettings(c, at),
	}
	if len(c.Args) > 0 {
		out.Path, out.Args = c.Args[0], c.Args[1:]
	}
	if sizes != nil {
		out.SizeRw, out.SizeRootFs = &sizes.Writable, &sizes.Root
	}
	return out
}

// State is where a container is in its life.
func State(c *engine.Container) *container.State {
	s := &c.State
	out := &container.State{
		Status:  container.ContainerState(s.Status.Docker()),
		Running: s.Status.Alive() || s.Status == engine.StatusRestarting, Paused: s.Status == engine.StatusPaused,
		Restarting: s.Status == engine.StatusRestarting,
		OOMKilled:  s.OOMKilled, Pid: s.Pid, ExitCode: s.ExitCode, Error: s.Error,
		StartedAt: s.StartedAt.UTC().Format(time.RFC3339Nano), FinishedAt: s.FinishedAt.UTC().Format(time.RFC3339Nano),
	}
	if s.Health.Status != engine.HealthNone {
		out.Health = &container.Health{
			Status: container.HealthStatus(s.Health.Status), FailingStreak: s.Health.FailingStreak, Log: []*container.HealthcheckResult{},
		}
		for _, r := range s.Health.Log {
			out.Health.Log = append(out.Health.Log, &container.HealthcheckResult{Start: r.Start, End: r.End, ExitCode: r.ExitCode, Output: r.Output})
		}
	}
	return out
}

// Config is what runs: the image's word where the container has none of its own.
func Config(c *engine.Container) *container.Config {
	s, image := &c.Spec, &c.Image
	out := &container.Config{
		Hostname: s.Hostname, Domainname: s.Domainname, User: cmp.Or(s.User, image.User),
		AttachStdin: s.OpenStdin && s.StdinOnce, AttachStdout: !c.Spec.TTY || s.OpenStdin, AttachStderr: !c.Spec.TTY || s.OpenStdin,
		Tty: s.TTY, OpenStdin: s.OpenStdin, StdinOnce: s.StdinOnce,
		Env: variables(image.Env, s.Env), Image: s.Image, WorkingDir: cmp.Or(s.WorkingDir, image.WorkingDir),
		Labels: s.Labels, StopSignal: cmp.Or(s.StopSignal, image.StopSignal), OnBuild: image.OnBuild, Shell: image.Shell,
		Entrypoint: s.Entrypoint, Cmd: s.Cmd, Healthcheck: healthConfig(s.Healthcheck),
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if out.Hostname == "" && s.NetworkMode != network.NetworkHost {
		out.Hostname = engine.ShortID(c.ID)
	}
	if out.Entrypoint == nil {
		out.Entrypoint = image.Entrypoint
		if out.Cmd == nil {
			out.Cmd = image.Cmd
		}
	}
	if s.StopTimeout != nil {
		n := int(time.Duration(*s.StopTimeout) / time.Second)
		out.StopTimeout = &n
	}
	out.ExposedPorts, out.Volumes = exposed(c), anonymousVolumes(c)
	return out
}

// exposed are the ports that the image and the container expose; nil if there are none.
func exposed(c *engine.Container) network.PortSet {
	var out network.PortSet
	for _, text := range slices.Concat(c.Image.Expose, c.Spec.Expose) {
		p, err := network.ParsePort(text)
		if err != nil {
			continue
		}
		if out == nil {
			out = network.PortSet{}
		}
		out[p] = struct{}{}
	}
	return out
}

// anonymousVolumes is where the image and the container want them; nil if nowhere.
func anonymousVolumes(c *engine.Container) map[string]struct{} {
	targets := slices.Clone(c.Image.Volumes)
	for i := range c.Spec.Mounts {
		if m := &c.Spec.Mounts[i]; isAnonymous(m) {
			targets = append(targets, m.Target)
		}
	}
	if len(targets) == 0 {
		return nil
	}
	out := map[string]struct{}{}
	for _, target := range targets {
		out[target] = struct{}{}
	}
	return out
}

// variables lays one list over another; KEY without a value takes a variable away.
func variables(base, over []string) []string {
	env := slices.Clone(base)
	for _, entry := range over {
		key, _, hasValue := strings.Cut(entry, "=")
		env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, key+"=") })
		if hasValue {
			env = append(env, entry)
		}
	}
	if env == nil {
		env = []string{}
	}
	return env
}

func healthConfig(h *engine.Healthcheck) *container.HealthConfig {
	if h == nil {
		return nil
	}
	return &container.HealthConfig{
		Test: h.Test, Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), Retries: h.Retries,
		StartPeriod: time.Duration(h.StartPeriod), StartInterval: time.Duration(h.StartInterval),
	}
}

func networkSettings(c *engine.Container, at Places) *NetworkSettings {
	out := &NetworkSettings{}
	out.Ports = network.PortMap{}
	out.Networks = Endpoints(c)
	if !c.State.Status.Alive() {
		return out
	}
	out.SandboxID = c.ID
	out.SandboxKey = path.Join(path.Dir(at.Run), "netns", c.ID)
	out.Ports = BoundPorts(c)
	if b := out.Networks[network.NetworkBridge]; b != nil {
		out.EndpointID, out.Gateway, out.IPAddress, out.IPPrefixLen = b.EndpointID, text(b.Gateway), text(b.IPAddress), b.IPPrefixLen
		out.GlobalIPv6Address, out.GlobalIPv6PrefixLen, out.IPv6Gateway = text(b.GlobalIPv6Address), b.GlobalIPv6PrefixLen, text(b.IPv6Gateway)
		out.MacAddress = b.MacAddress.String()
	}
	return out
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// BoundPorts are the exposed ports, each with the host's addresses that lead to it.
func BoundPorts(c *engine.Container) network.PortMap {
	out := network.PortMap{}
	for _, exposed := range slices.Concat(c.Image.Expose, c.Spec.Expose) {
		if p, err := network.ParsePort(exposed); err == nil {
			out[p] = nil
		}
	}
	for _, p := range c.Published {
		port, ok := network.PortFrom(p.ContainerPort, network.IPProtocol(p.Protocol))
		if ok && p.HostPort != 0 {
			out[port] = append(out[port], network.PortBinding{HostIP: p.HostIP, HostPort: strconv.Itoa(int(p.HostPort))})
		}
	}
	return out
}

// Endpoints are the networks that a container is on, by name; those without addresses of
// its own, too.
func Endpoints(c *engine.Container) map[string]*network.EndpointSettings {
	out := map[string]*network.EndpointSettings{}
	switch mode := c.Spec.NetworkMode; mode {
	case network.NetworkHost, network.NetworkNone:
		out[mode] = &network.EndpointSettings{}
	case network.NetworkBridge:
		out[mode] = &network.EndpointSettings{}
	}
	running := c.State.Status.Alive()
	for name, e := range c.Endpoints {
		out[name] = endpoint(&e, c, running)
	}
	return out
}

func endpoint(e *engine.Endpoint, c *engine.Container, running bool) *network.EndpointSettings { //nolint:revive // an address is one's own only then
	out := &network.EndpointSettings{
		NetworkID: e.NetworkID, Aliases: e.Spec.Aliases, Links: e.Spec.Links, DriverOpts: e.Spec.DriverOpts, GwPriority: e.Spec.GwPriority,
		DNSNames: e.Names,
	}
	if s := &e.Spec; s.IPv4.IsValid() || s.IPv6.IsValid() || len(s.LinkLocal) > 0 {
		out.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: s.IPv4, IPv6Address: s.IPv6, LinkLocalIPs: s.LinkLocal}
	}
	if c.Service != "" && !slices.Contains(out.Aliases, c.Service) {
		// docker compose's own aliases, which its users look for.
		out.Aliases = append([]string{c.Name, c.Service}, out.Aliases...)
	}
	if !running {
		return out
	}
	out.EndpointID, out.Gateway, out.IPv6Gateway = e.ID, e.Gateway4, e.Gateway6
	if mac, err := net.ParseMAC(e.MacAddress); err == nil {
		out.MacAddress = network.HardwareAddr(mac)
	}
	if e.IPv4.IsValid() {
		out.IPAddress, out.IPPrefixLen = e.IPv4.Addr(), e.IPv4.Bits()
	}
	if e.IPv6.IsValid() {
		out.GlobalIPv6Address, out.GlobalIPv6PrefixLen = e.IPv6.Addr(), e.IPv6.Bits()
	}
	return out
}

// MountPoints are the mounts as they were resolved.
func MountPoints(c *engine.Container) []container.MountPoint {
	out := []container.MountPoint{}
	for i := range c.Mounts {
		m := &c.Mounts[i]
		p := container.MountPoint{
			Type: mount.Type(m.Type), Name: m.Name, Source: m.Source, Destination: m.Destination, Driver: m.Driver,
			RW: !m.ReadOnly, Propagation: mount.Propagation(m.Propagation),
		}
		switch m.Type {
		case engine.MountBind:
			p.Propagation = cmp.Or(p.Propagation, mount.PropagationRPrivate)
			p.Name = ""
		case engine.MountVolume:
			p.Mode = "z"
		case engine.MountTmpfs, engine.MountImage:
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b container.MountPoint) int { return strings.Compare(a.Destination, b.Destination) })
	return out
}
