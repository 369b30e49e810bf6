package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/option"
)

// Former is a container's place in the network, as an earlier engine left it.
type Former struct {
	Key         string // of its sandbox
	ContainerID string
	Name        string
	Project     string
	// Endpoints are those that Attach returned, Links those of its requests.
	Endpoints []engine.Endpoint
	Links     map[string]string
	Resolvers []netip.Addr
	// NameSockets are those that Sandbox.NameSockets gave, if somebody kept them.
	// They stay the caller's.
	NameSockets []*os.File
	// Published are the ports of a container that runs. They lead to it again before
	// Restore returns; to reserve and publish them is still the caller's.
	Published []engine.PublishedPort
}

// Restore makes everything as the records say, in whatever state an earlier engine, a
// reboot or somebody else left it: what is there is found by its name, what is missing
// is made, what no record knows is removed. Containers are Silent, and their name queries
// wait, until AnswerNames. It is called once, before anything else.
func (m *Manager) Restore(ctx context.Context, networks []engine.Network, formers []Former) error {
	for _, n := range networks {
		m.register(n)
	}
	m.restoring.Store(true)
	var errs []error
	for _, f := range formers {
		if n := inheritedNames(f.NameSockets); n != nil {
			m.inherited[f.Key] = n
		}
	}
	for _, f := range formers {
		if err := m.remember(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("sandbox %s: %w", f.Key, err))
		}
	}
	// The rules come before what they are about.
	closed, err := m.formerClosed(networks)
	if err := errors.Join(err, m.fw.set(append(m.formerEntries(networks, formers), closed...))); err != nil {
		errs = append(errs, err)
	}
	for _, n := range networks {
		if err := m.restoreNetwork(n); err != nil {
			errs = append(errs, fmt.Errorf("network %s: %w", n.Spec.Name, err))
		}
	}
	errs = append(errs, m.sweep(networks, formers))
	for key, n := range m.inherited { // of namespaces that are gone
		errs = append(errs, n.close())
		delete(m.inherited, key)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("restore the network: %w", err)
	}
	return ctx.Err()
}

// AnswerNames begins to answer the name queries of the sandboxes that Restore took over, and
// the host's. It
// comes after SetAnswering for their containers: a name that leads nowhere yet would be
// answered wrongly, and a client believes that.
func (m *Manager) AnswerNames() {
	m.restoring.Store(false)
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.sandboxes))
	m.mu.Unlock()
	for _, s := range all {
		s.change.Lock()
		if s.ns != nil && !s.gone && !s.serves() {
			m.serveNames(s)
		}
		s.change.Unlock()
	}
	m.hostNames.Answer()
}

// remember takes over a sandbox that is still there, and the addresses of one that is
// not: its replica will want them again.
func (m *Manager) remember(ctx context.Context, f Former) error {
	ns, err := openPinned(m.pinPath(f.Key))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, ns.Close()); err != nil {
		return err
	}
	s, err := m.EnsureSandbox(ctx, f.Key)
	if err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	m.SetResolvers(s, f.Resolvers)
	for _, ep := range f.Endpoints {
		n, err := m.lookup(ep.NetworkID)
		if err != nil || ep.ID == "" || s.on(ep.NetworkID) >= 0 {
			continue // it was never attached, or a container before this one had its place
		}
		a := &attached{Endpoint: ep, network: n, sandbox: s}
		if o, err := option.ParseEndpoint(ep.Spec.DriverOpts); err == nil {
			a.sysctls = o.Sysctls
		}
		a.belongTo(AttachRequest{ContainerID: f.ContainerID, Name: f.Name, Project: f.Project, Names: ep.Names, Links: f.Links})
		m.occupy(a)
		m.enter(a)
	}
	return nil
}

// occupy marks the addresses of an endpoint as used.
func (m *Manager) occupy(a *attached) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pool := range a.network.pools {
		for _, ip := range a.addresses() {
			pool.Occupy(ip)
		}
	}
}

func (m *Manager) formerEntries(networks []engine.Network, formers []Former) []entry {
	var entries []entry
	for _, n := range networks {
		if n.Bridge != "" {
			entries = append(entries, networkEntries(n)...)
		}
	}
	for _, f := range formers {
		s, ok := m.known(f.Key)
		if !ok {
			continue
		}
		ep, ok := s.Outside()
		if at, err := m.place(f.Name, s, ep); ok && err == nil {
			entries = append(entries, at.entries(f.Published)...)
		}
	}
	return entries
}

func (m *Manager) known(key string) (*Sandbox, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sandboxes[key]
	return s, ok
}

func (m *Manager) restoreNetwork(n engine.Network) error {
	if !hasLinks(n) {
		return nil
	}
	if n.Parent != "" {
		if err := m.restoreBranches(n); err != nil {
			// A parent that was unplugged must not keep the engine from all the rest.
			m.cfg.Log.Error("network not restored", "network", n.Spec.Name, "err", err)
		}
		return nil
	}
	if err := m.startForwarding(n, func() error { return m.ensureBridge(n) }); err != nil {
		return err
	}
	known, err := m.lookup(n.ID)
	if err != nil {
		return err
	}
	m.announce(known)
	index, err := m.rtnl.index(n.Bridge)
	if err != nil {
		return err
	}
	for _, a := range known.members {
		if err := m.rewire(a, index); err != nil {
			return err
		}
	}
	return nil
}

// restoreBranches makes sure that the endpoints of a network of macvlan or ipvlan have their links.
func (m *Manager) restoreBranches(n engine.Network) error {
	known, err := m.lookup(n.ID)
	if err != nil {
		return err
	}
	m.announce(known)
	if err := m.ensureParent(n); err != nil {
		return err
	}
	for _, a := range known.members {
		if _, err := a.sandbox.rtnl.index(a.Interface); err == nil {
			continue
		}
		if err := m.wire(a.sandbox, a); err != nil {
			return err
		}
	}
	return nil
}

// rewire makes sure that an endpoint is a port of its bridge. A pair of links of
// which somebody removed one end is made anew.
func (m *Manager) rewire(a *attached, bridge int) error {
	if _, err := m.rtnl.index(a.HostLink); err != nil {
		return m.wire(a.sandbox, a)
	}
	master := nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(bridge)))
	if err := m.rtnl.do(setLinkUp("restore veth "+a.HostLink, a.HostLink, master)); err != nil {
		return err
	}
	if a.network.opts.NoICC { // a port that has changed its bridge begins anew
		if err := m.isolatePort(a.HostLink); err != nil {
			return err
		}
	}
	return errors.Join(m.reflect(a), m.settle(a))
}

// sweep removes what is ours and no record knows.
func (m *Manager) sweep(networks []engine.Network, formers []Former) error {
	known := map[string]bool{}
	for _, n := range networks {
		known[n.Bridge], known[n.Parent] = true, true
	}
	keys := map[string]bool{}
	for _, f := range formers {
		keys[f.Key] = true
		for _, ep := range f.Endpoints {
			known[ep.HostLink] = true
		}
	}
	var errs []error
	pins, err := os.ReadDir(filepath.Join(m.cfg.RunRoot, "netns"))
	errs = append(errs, err)
	for _, pin := range pins {
		if !keys[pin.Name()] {
			errs = append(errs, unpin(m.pinPath(pin.Name())))
		}
	}
	links, err := whole(m.look.LinkList)
	errs = append(errs, err)
	var strays []string
	for _, l := range links {
		if a := l.Attrs(); a.Group == m.group() && !known[a.Name] {
			strays = append(strays, a.Name)
		}
	}
	errs = append(errs, m.removeLinks(strays...))
	return errors.Join(append(errs, m.router.Leave())...)
}
