package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"tiffin/engine"
)

// forwarding makes the host a router while there are networks that need one. A host
// that was none before must not stay one, and must not route for others meanwhile.
type forwarding struct {
	mu      sync.Mutex
	need    map[string]bool // networks, by ID
	changed bool            // the host did not forward IPv4 before
}

// forwardingNote is the file in the run root that says what was changed. It is
// written before the change; a reboot forgets both.
const forwardingNote = "forwarding.json"

const ipForward = "net/ipv4/ip_forward"

// hostChange is what was changed on the host.
type hostChange struct {
	Sysctls []sysctlChange
	// Closed are the interfaces that were there at the first change: nothing was
	// forwarded between them before. One that comes later, say of another engine, is
	// somebody's who knows that the host forwards.
	Closed []string
}

type sysctlChange struct{ Name, Was, Now string }

// startForwarding lets the host forward the packets of a network.
func (m *Manager) startForwarding(n engine.Network) error {
	if n.Spec.Internal {
		return nil
	}
	m.forwarding.mu.Lock()
	defer m.forwarding.mu.Unlock()
	if err := m.inHost(func() error { return m.forward(n.Spec) }); err != nil {
		return fmt.Errorf("let the host forward packets: %w", err)
	}
	if len(m.forwarding.need) == 0 {
		m.warnOfObstacles()
	}
	m.forwarding.need[n.ID] = true
	return nil
}

func (m *Manager) forward(spec engine.NetworkSpec) error {
	change, err := m.readNote()
	if err != nil {
		return err
	}
	news, err := m.sysctlChanges(spec, change)
	if err != nil {
		return err
	}
	if len(news) > 0 {
		if change.Closed == nil {
			if change.Closed, err = m.foreignLinks(); err != nil {
				return err
			}
		}
		change.Sysctls = append(change.Sysctls, news...)
		if err := m.writeNote(change); err != nil {
			return err
		}
	}
	if err := m.fw.add(closedEntries(change.Closed)...); err != nil {
		return err
	}
	for _, c := range news {
		if err := writeSysctl(c.Name, c.Now); err != nil {
			return err
		}
	}
	m.forwarding.changed = slices.ContainsFunc(change.Sysctls, func(c sysctlChange) bool { return c.Name == ipForward })
	return nil
}

// sysctlChanges are those that a network needs, and that have not been made.
func (m *Manager) sysctlChanges(spec engine.NetworkSpec, made hostChange) ([]sysctlChange, error) {
	wanted := []sysctlChange{{Name: ipForward, Now: "1"}}
	if spec.EnableIPv6 {
		wanted = append(wanted, ipv6Forwarding()...)
	}
	for i, c := range wanted {
		was, err := readSysctl(c.Name)
		if err != nil {
			return nil, err
		}
		wanted[i].Was = was
	}
	if len(made.Sysctls) == 0 {
		others, err := m.otherEngines()
		if err != nil {
			return nil, err
		}
		if others.changed {
			wanted[0].Was = "0" // before the first of us
		}
	}
	return slices.DeleteFunc(wanted, func(c sysctlChange) bool { return c.Was == c.Now }), nil
}

// The aliases of bridges say whose they are, and what their engine will put back:
// another engine on the host takes that over when it is the last to go.
const (
	bridgeAlias     = "tiffin network "
	forwardingAlias = " (the host did not forward IPv4 before)"
)

func (m *Manager) alias(n engine.Network) string {
	m.forwarding.mu.Lock()
	defer m.forwarding.mu.Unlock()
	if m.forwarding.changed {
		return bridgeAlias + n.Spec.Name + forwardingAlias
	}
	return bridgeAlias + n.Spec.Name
}

// others is what the bridges of other engines tell.
type others struct {
	there   bool
	changed bool // the host did not forward before one of them
}

func (m *Manager) otherEngines() (others, error) {
	var o others
	links, err := whole(m.look.LinkList)
	if err != nil {
		return o, fmt.Errorf("list the host's interfaces: %w", err)
	}
	for _, l := range links {
		if a := l.Attrs(); a.Group != m.group() && strings.HasPrefix(a.Alias, bridgeAlias) {
			o.there = true
			o.changed = o.changed || strings.HasSuffix(a.Alias, forwardingAlias)
		}
	}
	return o, nil
}

// ipv6Forwarding is what it takes to forward IPv6. A router does not listen to router
// advertisements; an interface that lives by them must be told to (accept_ra = 2).
func ipv6Forwarding() []sysctlChange {
	var changes []sysctlChange
	confs, _ := filepath.Glob("/proc/sys/net/ipv6/conf/*/accept_ra") // the pattern is good
	for _, path := range confs {
		name := strings.TrimPrefix(path, "/proc/sys/")
		if now, err := readSysctl(name); err == nil && now == "1" {
			changes = append(changes, sysctlChange{Name: name, Now: "2"})
		}
	}
	return append(changes, sysctlChange{Name: "net/ipv6/conf/all/forwarding", Now: "1"})
}

// stopForwarding tells that a network needs no forwarding any more. With the last
// one everything is put back, but for what somebody else has changed since.
func (m *Manager) stopForwarding(id string) error {
	m.forwarding.mu.Lock()
	defer m.forwarding.mu.Unlock()
	if delete(m.forwarding.need, id); len(m.forwarding.need) > 0 {
		return nil
	}
	change, err := m.readNote()
	if err != nil {
		return err
	}
	others, err := m.otherEngines()
	if err != nil {
		return err
	}
	if others.there { // they need it still, and know what to put back
		change.Sysctls = nil
	}
	err = m.inHost(func() error {
		var errs []error
		for _, c := range slices.Backward(change.Sysctls) {
			errs = append(errs, putBack(c))
		}
		return errors.Join(errs...)
	})
	if err := errors.Join(err, m.fw.remove(closedEntries(change.Closed)...)); err != nil {
		return fmt.Errorf("put back what was changed on the host: %w", err)
	}
	if err := os.Remove(m.notePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func putBack(c sysctlChange) error {
	now, err := readSysctl(c.Name)
	if errors.Is(err, os.ErrNotExist) { // its interface is gone
		return nil
	}
	if err == nil && now == c.Now {
		err = writeSysctl(c.Name, c.Was)
	}
	return err
}

// foreignLinks are the host's interfaces that are not ours.
func (m *Manager) foreignLinks() ([]string, error) {
	links, err := whole(m.look.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list the host's interfaces: %w", err)
	}
	var names []string
	for _, l := range links {
		if a := l.Attrs(); a.Group != m.group() && a.Name != "lo" && !strings.HasPrefix(a.Alias, bridgeAlias) {
			names = append(names, a.Name)
		}
	}
	return names, nil
}

func closedEntries(links []string) []entry {
	entries := make([]entry, 0, len(links))
	for _, name := range links {
		entries = append(entries, named(setClosed, name, forwardingNote))
	}
	return entries
}

func (m *Manager) notePath() string { return filepath.Join(m.cfg.RunRoot, forwardingNote) }

func (m *Manager) readNote() (hostChange, error) {
	var change hostChange
	b, err := os.ReadFile(m.notePath())
	if errors.Is(err, os.ErrNotExist) {
		return change, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &change)
	}
	if err != nil {
		return change, fmt.Errorf("read the note of it: %w", err)
	}
	return change, nil
}

func (m *Manager) writeNote(change hostChange) error {
	b, err := json.Marshal(change)
	if err != nil {
		return err
	}
	temporary := m.notePath() + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("note it: %w", err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("note it: %w", err)
	}
	return os.Rename(temporary, m.notePath())
}
