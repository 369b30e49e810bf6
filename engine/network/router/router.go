package router

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"

	"tiffin/engine/network/nft"
)

// Config is what a Router needs to know of the host.
type Config struct {
	// Dir is a directory that all engines on the host share and that is empty after a
	// reboot; "" is DefaultDir. Namespaces that play hosts may share it.
	Dir string
	// Cookie tells the host's network namespace from others.
	Cookie uint64
	// InHost runs a function in that namespace.
	InHost func(func() error) error
	// Links lists the interfaces there.
	Links func() ([]netlink.Link, error)
	// Routes lists the routes there.
	Routes func() ([]netlink.Route, error)
	NFT    *nft.Conn
	// LeaveFirewalls leaves other people's firewalls as they are.
	LeaveFirewalls bool
	Log            *slog.Logger
}

// DefaultDir is the shared directory. Only root may look into it: who can open the
// lock can hold it.
const DefaultDir = "/run/tiffin-host"

// Router makes the host a router, and what it was before.
type Router struct {
	cfg Config

	mu   sync.Mutex
	told map[string]bool // obstacles that have been logged
}

// New prepares a Router. It changes nothing.
func New(cfg Config) *Router {
	if cfg.Dir == "" {
		cfg.Dir = DefaultDir
	}
	return &Router{cfg: cfg, told: map[string]bool{}}
}

// Need is what a network needs of the host.
type Need struct {
	// IPv4 and IPv6 tell which packets have to be forwarded: none for an internal network.
	IPv4, IPv6 bool
}

// The beginnings of the aliases that bridges have to have: of those that need a host
// that forwards, and of the others.
const (
	Alias         = "tiffin network "
	InternalAlias = "tiffin internal network "
)

// Closed are the interfaces between which the host forwarded nothing before, by family.
type Closed struct{ IPv4, IPv6 []string }

// Join lets the host forward for a network. The bridge is made by build, which gives
// it its alias, too; before the host begins to forward, guard is told between which
// interfaces nothing may pass.
func (r *Router) Join(n Need, guard func(Closed) error, build func() error) error {
	joined, err := r.join(shared, n, guard, build)
	if err == nil && !joined {
		// The first needs the lock alone: it changes the record.
		_, err = r.join(alone, n, guard, build)
	}
	return err
}

func (r *Router) join(how lockKind, n Need, guard func(Closed) error, build func() error) (bool, error) {
	unlock, err := r.lock(how)
	if err != nil {
		return false, err
	}
	defer unlock()
	rec, err := r.read()
	if err != nil {
		return false, err
	}
	news, err := r.missing(n)
	if err != nil || how == shared && len(news) > 0 {
		return false, err
	}
	if len(news) > 0 {
		if rec, err = r.note(rec, news); err != nil {
			return false, err
		}
	}
	if err := guard(rec.closed()); err != nil {
		return false, err
	}
	if err := r.cfg.InHost(func() error { return writeAll(news) }); err != nil {
		return false, fmt.Errorf("let the host forward packets: %w", err)
	}
	if err := build(); err != nil {
		return false, err
	}
	r.openWays(known)
	return true, nil
}

// Closed is what guard was told when the host began to forward.
func (r *Router) Closed() (Closed, error) {
	rec, err := r.read()
	return rec.closed(), err
}

// Leave has to be called after a bridge was removed. With the last of all engines on
// the host everything is put back, but for what somebody else has changed since.
func (r *Router) Leave() error {
	unlock, err := r.lock(alone)
	if err != nil {
		return err
	}
	defer unlock()
	r.openWays(known)
	links, err := r.cfg.Links()
	if err != nil {
		return fmt.Errorf("list the host's interfaces: %w", err)
	}
	if slices.ContainsFunc(links, forwards) {
		return nil
	}
	rec, err := r.read()
	if err != nil {
		return err
	}
	if newcomer := rec.newcomer(links); newcomer != "" && len(rec.Sysctls) > 0 {
		r.cfg.Log.Info("the host goes on forwarding: somebody else has come to need it", "interface", newcomer)
		rec.Sysctls = nil
	}
	if err := r.cfg.InHost(func() error { return putAllBack(rec.Sysctls) }); err != nil {
		return fmt.Errorf("put back what was changed on the host: %w", err)
	}
	rec.Sysctls, rec.Links4, rec.Links6 = nil, nil, nil
	return r.write(rec)
}

// forwards says whether a link is a bridge of some engine's that the host forwards for.
func forwards(l netlink.Link) bool { return strings.HasPrefix(l.Attrs().Alias, Alias) }

// ours says whether a link is a bridge of some engine's.
func ours(l netlink.Link) bool {
	return forwards(l) || strings.HasPrefix(l.Attrs().Alias, InternalAlias)
}
