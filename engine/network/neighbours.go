package network

import (
	"fmt"

	"tiffin/engine/network/nft"
)

// Obstacles are the chains of other people's firewalls that drop forwarded packets
// unless a rule of theirs accepts them, one sentence each. What one table accepts
// another may still drop, and ours is not asked; what to do is the host's
// administrator's to decide. Docker and ufw make such chains.
func (m *Manager) Obstacles() ([]string, error) {
	chains, err := m.nft.BaseChains()
	if err != nil {
		return nil, fmt.Errorf("look at the host's firewall: %w", err)
	}
	return obstacles(chains, m.tableName()), nil
}

func obstacles(chains []nft.BaseChain, own string) []string {
	var found []string
	for _, c := range chains {
		if c.At != nft.Forward || c.Policy != nft.Drop || c.Table == own {
			continue
		}
		found = append(found, fmt.Sprintf(
			"the host's firewall drops forwarded packets (chain %s of table %s %s): "+
				"let it accept those from and to the interfaces tf-*", c.Name, c.Family, c.Table,
		))
	}
	return found
}

// warnOfObstacles tells of them where they make a difference for the first time.
func (m *Manager) warnOfObstacles() {
	found, err := m.Obstacles()
	if err != nil {
		m.cfg.Log.Warn("obstacles unknown", "reason", err)
	}
	for _, text := range found {
		m.cfg.Log.Warn(text)
	}
}
