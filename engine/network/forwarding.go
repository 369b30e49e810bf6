package network

import (
	"sync"

	"tiffin/engine"
	"tiffin/engine/network/nft"
	"tiffin/engine/network/router"
)

// forwarding remembers which interfaces are kept apart for which of our networks: a
// host that was no router before must not route for others meanwhile.
type forwarding struct {
	mu     sync.Mutex
	closed map[string]router.Closed // by network
}

// startForwarding lets the host forward the packets of a network, whose bridge is made
// by build. Until the bridge is there, nobody puts the host back to what it was.
func (m *Manager) startForwarding(n engine.Network, build func() error) error {
	return m.router.Join(need(n), func(c router.Closed) error {
		if n.Spec.Internal {
			return nil
		}
		m.forwarding.mu.Lock()
		m.forwarding.closed[n.ID] = c
		m.forwarding.mu.Unlock()
		return m.fw.add(closedEntries(n.ID, c)...)
	}, build)
}

// stopForwarding tells that the bridge of a network is gone.
func (m *Manager) stopForwarding(id string) error {
	if err := m.router.Leave(); err != nil {
		return err
	}
	m.forwarding.mu.Lock()
	entries := closedEntries(id, m.forwarding.closed[id])
	delete(m.forwarding.closed, id)
	m.forwarding.mu.Unlock()
	return m.fw.remove(entries...)
}

func need(n engine.Network) router.Need {
	return router.Need{IPv4: !n.Spec.Internal, IPv6: !n.Spec.Internal && n.Spec.EnableIPv6}
}

// alias says whose a bridge is, and whether the host has to forward for it.
func alias(n engine.Network) string {
	if n.Spec.Internal {
		return router.InternalAlias + n.Spec.Name
	}
	return router.Alias + n.Spec.Name
}

func closedEntries(network string, c router.Closed) []entry {
	var entries []entry
	for _, name := range c.IPv4 {
		entries = append(entries, named(setClosed4, name, network))
	}
	for _, name := range c.IPv6 {
		entries = append(entries, named(setClosed6, name, network))
	}
	return entries
}

// formerClosed keeps apart what an earlier engine did, until each network says so itself.
func (m *Manager) formerClosed(networks []engine.Network) ([]entry, error) {
	c, err := m.router.Closed()
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, n := range networks {
		if n.Bridge != "" && !n.Spec.Internal {
			m.forwarding.mu.Lock()
			m.forwarding.closed[n.ID] = c
			m.forwarding.mu.Unlock()
			entries = append(entries, closedEntries(n.ID, c)...)
		}
	}
	return entries, nil
}

// watchFirewall opens a watch on the host's nftables.
func (m *Manager) watchFirewall() (*nft.Watch, error) {
	var w *nft.Watch
	err := m.inHost(func() (err error) {
		w, err = nft.NewWatch(m.nft)
		return err
	})
	return w, err
}
