package network

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"tiffin/dns"
)

// readResolvConf reads what the host's resolvers are. A host without the file has none.
func (m *Manager) readResolvConf() error {
	text, err := os.ReadFile(cmp.Or(m.cfg.ResolvConf, "/etc/resolv.conf"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the host's resolvers: %w", err)
	}
	m.hostConf = dns.ParseResolvConf(string(text))
	return nil
}

// nameServers are the host's resolvers, as prefixes: a subnet that has one of them
// would cut the host off from it.
func (m *Manager) nameServers() []netip.Prefix {
	var all []netip.Prefix
	for _, a := range m.hostConf.Nameservers {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}
