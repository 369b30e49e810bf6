package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"tiffin/dns"
	"tiffin/engine"
	"tiffin/engine/network/ipam"
	"tiffin/engine/network/names"
	"tiffin/engine/network/nft"
	"tiffin/engine/network/option"
	"tiffin/engine/network/router"
	"tiffin/engine/network/shortcut"
)

// Config is what a Manager needs to know.
type Config struct {
	// RunRoot is a directory that is empty after a reboot. Namespaces are pinned in
	// RunRoot/netns.
	RunRoot string
	// Key tells engines on one host apart: it is part of the name of the nftables
	// table and of the group of the links. "" is the default engine.
	Key string
	// ResolvConf is the host's resolv.conf; "" is /etc/resolv.conf.
	ResolvConf string
	// HostRoot is a directory that all engines on the host share, empty after a reboot
	// and open to root only; "" is router.DefaultDir.
	HostRoot string
	// LeaveFirewalls leaves other people's firewalls as they are: what they drop is dropped.
	LeaveFirewalls bool
	// HostNames are the names under which the host's programs find containers.
	HostNames HostNames
	// Log takes what goes wrong where nobody waits for an answer; nil: nothing does.
	Log *slog.Logger
}

// forwardsAtOnce bounds the name queries under way to the host's resolvers.
const forwardsAtOnce = 1024

// Manager makes networks, puts containers on them, and publishes their ports. It
// works in the network namespace that Open was called in.
type Manager struct {
	cfg    Config
	host   *os.File // the namespace
	native bool     // it is also that of every goroutine
	rtnl   *rtnl
	look   *netlink.Handle // for reading what is there
	nft    *nft.Conn
	fw     *firewall
	router *router.Router

	forwarding forwarding
	shortcut   shortcut.Way

	planning sync.Mutex // one network chooses its subnets at a time

	// mu guards the index; no lock is held while the kernel works.
	mu        sync.Mutex
	networks  map[string]*network     // by ID
	sandboxes map[string]*Sandbox     // by key
	inherited map[string]*nameSockets // of an earlier engine, by key of their sandbox

	endpoints map[string][]*attached // by container ID

	reservations map[*Reservation]bool

	restoring atomic.Bool // queries wait, see AnswerNames

	// What answers name queries.
	resolvers *names.Resolvers // the host's
	forwarder *dns.Forwarder
	hostNames *names.Host
	bridged   dns.Subnets    // of all networks
	serving   sync.WaitGroup // of everything that Close ends
	end       context.CancelFunc
}

// Open prepares a Manager in the network namespace of the calling thread. It changes
// nothing: call Restore with what the records say.
func Open(ctx context.Context, cfg Config) (*Manager, error) {
	if err := os.MkdirAll(filepath.Join(cfg.RunRoot, "netns"), 0o700); err != nil {
		return nil, fmt.Errorf("prepare the network: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = "/etc/resolv.conf"
	}
	m := &Manager{
		cfg: cfg, networks: map[string]*network{}, sandboxes: map[string]*Sandbox{}, inherited: map[string]*nameSockets{},
		endpoints: map[string][]*attached{}, reservations: map[*Reservation]bool{},
		forwarding: forwarding{closed: map[string]router.Closed{}}, forwarder: dns.NewForwarder(forwardsAtOnce),
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	m.end = end
	if err := m.open(life); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the network: %w", err), m.Close())
	}
	return m, nil
}

func (m *Manager) open(life context.Context) error {
	var err error
	if m.host, err = currentNamespace(); err != nil {
		return err
	}
	if m.native, err = isNative(m.host); err != nil {
		return err
	}
	if m.rtnl, err = dialRtnl(); err != nil {
		return err
	}
	m.shortcut.Log = m.cfg.Log
	if m.shortcut.Cookie, err = m.rtnl.cookie(); err != nil {
		return err
	}
	if m.nft, err = nft.Dial(); err != nil {
		return err
	}
	if m.resolvers, err = names.ReadResolvers(m.cfg.ResolvConf); err != nil {
		return err
	}
	if err := m.resolvers.Follow(life, &m.serving, m.cfg.Log, m.renewResolvers); err != nil {
		m.cfg.Log.Warn(err.Error()) // those of now are better than none
	}
	m.listenForHost(life)
	m.fw = newFirewall(m.nft, m.tableName())
	m.fw.watch, m.fw.following, m.fw.log = m.watchFirewall, &m.serving, m.cfg.Log
	m.router = router.New(router.Config{
		Dir: m.cfg.HostRoot, Cookie: m.shortcut.Cookie, InHost: m.inHost, NFT: m.nft,
		Links: func() ([]netlink.Link, error) { return whole(m.look.LinkList) }, Routes: m.routes,
		LeaveFirewalls: m.cfg.LeaveFirewalls, Log: m.cfg.Log,
	})
	m.fw.others = m.router.Changed
	// This family only: without a list the library wants IPsec's, too, which not every kernel has.
	m.look, err = netlink.NewHandleAt(netns.NsHandle(m.host.Fd()), unix.NETLINK_ROUTE)
	return err
}

// Close lets go of everything and changes nothing: networks, namespaces and
// published ports go on working.
func (m *Manager) Close() error {
	var errs []error
	m.end()
	m.mu.Lock()
	for r := range m.reservations {
		for _, s := range r.sockets {
			s.stop()
		}
		errs = append(errs, r.close())
	}
	for _, s := range m.sandboxes {
		errs = append(errs, s.close())
	}
	m.mu.Unlock()
	if m.fw != nil {
		m.fw.close()
	}
	m.serving.Wait()
	errs = append(errs, m.hostNames.Close(), m.shortcut.Close())
	if m.look != nil {
		m.look.Close()
	}
	if m.nft != nil {
		errs = append(errs, m.nft.Close())
	}
	if m.rtnl != nil {
		errs = append(errs, m.rtnl.Close())
	}
	if m.host != nil {
		errs = append(errs, m.host.Close())
	}
	return errors.Join(errs...)
}

// inHost runs f in the Manager's network namespace.
func (m *Manager) inHost(f func() error) error {
	if m.native {
		return f()
	}
	return within(m.host, f)
}

func (m *Manager) tableName() string {
	if m.cfg.Key == "" {
		return "tiffin"
	}
	return "tiffin-" + m.cfg.Key
}

// group is the number that all links of this engine carry: it says whose they are.
func (m *Manager) group() uint32 {
	return hash32("tiffin "+m.cfg.Key) | 1
}

// network is a network in the Manager's index.
type network struct {
	engine.Network
	opts      option.Network
	pools     []*ipam.Addresses // one a family
	members   []*attached       // never changed in place
	directory directory
}

// lookup finds a network that Create or Restore made.
func (m *Manager) lookup(id string) (*network, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.networks[id]
	if !ok {
		return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("network %s not found", engine.ShortID(id)))
	}
	return n, nil
}
