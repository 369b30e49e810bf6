package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"

	"tiffin/dns"
)

// readResolvConf reads what the host's resolvers are, and says whether that is news.
// A host without the file has none.
func (m *Manager) readResolvConf() (news bool, err error) {
	text, err := os.ReadFile(m.cfg.ResolvConf)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("read the host's resolvers: %w", err)
	}
	conf := dns.ParseResolvConf(string(text))
	m.mu.Lock()
	defer m.mu.Unlock()
	news = !slices.Equal(conf.Nameservers, m.hostConf.Nameservers)
	m.hostConf = conf
	return news, nil
}

// followResolvConf lets what containers ask of the outside go to the resolvers that
// the host has at the moment: those of a laptop change with the network it is on.
// The file, or what it links to, is replaced as often as written, so their folders
// are watched.
func (m *Manager) followResolvConf(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the host's resolvers: %w", err)
	}
	paths := func() []string {
		all := []string{m.cfg.ResolvConf}
		if target, err := filepath.EvalSymlinks(m.cfg.ResolvConf); err == nil {
			all = append(all, target)
		}
		for _, path := range all {
			_ = watcher.Add(filepath.Dir(path)) // a folder that is not there has nothing to tell
		}
		return all
	}
	watched := paths()
	m.serving.Go(func() {
		defer watcher.Close() //nolint:errcheck // nothing was written
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-watcher.Events:
				if !slices.Contains(watched, e.Name) {
					continue
				}
				watched = paths()
				m.renewResolvers()
			case err := <-watcher.Errors:
				m.cfg.Log.Warn("watching the host's resolvers", "error", err)
			}
		}
	})
	return nil
}

// renewResolvers lets all sandboxes see the host's resolvers of now.
func (m *Manager) renewResolvers() {
	news, err := m.readResolvConf()
	if err != nil {
		m.cfg.Log.Warn(err.Error())
	}
	if !news {
		return
	}
	m.mu.Lock()
	var all []*Sandbox
	for _, s := range m.sandboxes {
		all = append(all, s)
	}
	m.mu.Unlock()
	for _, s := range all {
		m.refresh(s)
	}
}

// nameServers are the host's resolvers, as prefixes: a subnet that has one of them
// would cut the host off from it.
func (m *Manager) nameServers() []netip.Prefix {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []netip.Prefix
	for _, a := range m.hostConf.Nameservers {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}
