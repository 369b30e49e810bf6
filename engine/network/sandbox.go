package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"tiffin/dns"
	"tiffin/engine"
)

// Sandbox is a network namespace. It belongs to a replica of a service, not to a
// process: it is there before the first process of a container starts, and stays
// over restarts.
type Sandbox struct {
	key string
	ns  *os.File
	// sockets in the namespace: to configure it, and to answer its name queries.
	rtnl  *rtnl
	names *nameSockets

	change sync.Mutex // one change at a time
	gone   bool
	// links are changed with this mutex and the Manager's held, never in place; so
	// either of the two is enough to read them.
	links []*attached

	// What answers the name queries.
	seeing    sync.Mutex
	server    *dns.Server
	resolvers []netip.Addr // guarded by the Manager's mutex
	silence   context.CancelFunc
}

// EnsureSandbox returns the namespace of that key, making it when there is none: lo
// up, ports below 1024 and ping for everybody. A key is a name that a file can have.
func (m *Manager) EnsureSandbox(ctx context.Context, key string) (*Sandbox, error) {
	if key == "" || key[0] == '.' || strings.ContainsRune(key, '/') {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("sandbox %q: no name for a file", key))
	}
	for {
		m.mu.Lock()
		s, ok := m.sandboxes[key]
		if !ok {
			s = &Sandbox{key: key}
			m.sandboxes[key] = s
		}
		m.mu.Unlock()
		if again, err := m.ready(ctx, s); !again {
			return s, err
		}
	}
}

// ready makes the namespace of a sandbox, unless another goroutine has done so. It
// says "again" of a sandbox that was dropped meanwhile.
func (m *Manager) ready(ctx context.Context, s *Sandbox) (again bool, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	if s.gone {
		return true, nil
	}
	if s.ns != nil {
		return false, nil
	}
	if err := s.open(ctx, m.pinPath(s.key), m.inheritance(s.key)); err != nil {
		m.forget(s)
		return false, fmt.Errorf("sandbox %s: %w", s.key, errors.Join(err, s.close()))
	}
	if !m.restoring.Load() {
		m.serveNames(s)
	}
	return false, nil
}

func (m *Manager) pinPath(key string) string { return filepath.Join(m.cfg.RunRoot, "netns", key) }

func (m *Manager) forget(s *Sandbox) {
	s.gone = true
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sandboxes, s.key)
}

// DropSandbox removes a namespace and everything in it. The kernel does so once the
// last process in it has ended and the last descriptor is closed. It may be gone already.
func (m *Manager) DropSandbox(_ context.Context, key string) error {
	m.mu.Lock()
	s := m.sandboxes[key]
	m.mu.Unlock()
	var errs []error
	if s != nil {
		s.change.Lock()
		defer s.change.Unlock()
		for _, a := range s.links {
			m.leave(a)
			m.forgetAddresses(a.addresses()...)
			m.release(a)
			if a.HostLink == "" {
				// Its address on the host's segment must be free when the replica comes
				// again, which may be before the kernel has come to the namespace.
				errs = append(errs, s.cut(a))
			}
		}
		errs = append(errs, s.close())
		m.forget(s)
	}
	if err := errors.Join(append(errs, unpin(m.pinPath(key)))...); err != nil {
		return fmt.Errorf("drop sandbox %s: %w", key, err)
	}
	return nil
}

// Key is the name of the sandbox.
func (s *Sandbox) Key() string { return s.key }

// File is the namespace, for setns(2). It stays open until the sandbox is dropped.
func (s *Sandbox) File() *os.File { return s.ns }

// inheritance is what an earlier engine has left of a sandbox, once.
func (m *Manager) inheritance(key string) *nameSockets {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.inherited[key]
	delete(m.inherited, key)
	return n
}

// open takes the pinned namespace, or makes one and pins it.
func (s *Sandbox) open(ctx context.Context, path string, inherited *nameSockets) error {
	ns, err := openPinned(path)
	if err == nil {
		s.ns, s.names = ns, inherited
		return within(ns, func() error { return s.dial(ctx) })
	}
	if inherited != nil {
		err = errors.Join(err, inherited.close())
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := unpin(path); err != nil { // what a crash left of an earlier try
		return err
	}
	s.ns, err = newNamespace(func(ns *os.File) error {
		if err := pin(ns, path); err != nil {
			return err
		}
		if err := prepareNamespace(); err != nil {
			return err
		}
		return s.dial(ctx)
	})
	if err != nil {
		return errors.Join(err, unpin(path))
	}
	return nil
}

// dial opens the sockets in the calling thread's namespace.
func (s *Sandbox) dial(ctx context.Context) (err error) {
	if s.rtnl, err = dialRtnl(); err != nil {
		return err
	}
	if s.names != nil {
		return s.names.redirect()
	}
	s.names, err = listenForNames(ctx)
	return err
}

func (s *Sandbox) close() error {
	var errs []error
	if s.silence != nil {
		s.silence()
	}
	if s.names != nil {
		errs = append(errs, s.names.close())
	}
	if s.rtnl != nil {
		errs = append(errs, s.rtnl.Close())
	}
	if s.ns != nil {
		errs = append(errs, s.ns.Close())
	}
	return errors.Join(errs...)
}

// prepareNamespace gives the calling thread's new namespace what every container
// has. IPv6 stays off on links until they get an address of it.
func prepareNamespace() error {
	if err := loopbackUp(); err != nil {
		return err
	}
	for _, s := range [...]struct{ name, value string }{
		{"net/ipv4/ip_unprivileged_port_start", "0"},
		{"net/ipv4/ping_group_range", "0 2147483647"},
		{"net/ipv6/conf/default/disable_ipv6", "1"},
	} {
		if err := writeSysctl(s.name, s.value); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		lo.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
	}
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}
