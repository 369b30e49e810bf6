package network

import "net/netip"

// nameServers are the host's, as prefixes.
func (m *Manager) nameServers() []netip.Prefix { return nil }
