package router

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tiffin/engine/network/nft"
)

// What one table accepts another may still drop. Docker, ufw and many a hand-written
// set of rules leave a chain for forwarded packets that drops whatever no rule of
// theirs accepts. At the end of such a chain, where only that is left to be answered,
// we accept what comes from our bridges and goes to them: what may pass there our own
// table has decided. The chain of an owner who ends it with a rule of his own
// (firewalld, REJECT as the last rule) is never reached there, and stays as it is.

// asking says how much is taken from the record.
type asking int

const (
	known asking = iota // what we did is as we did it: somebody's change would be told
	anew                // somebody has changed something
)

// Changed has to be called when somebody else has changed the host's firewall.
func (r *Router) Changed() { r.openWays(anew) }

// openWays makes the ways through other people's firewalls what the bridges need now.
// What cannot be done is logged, once: networks work without, but for the outside.
func (r *Router) openWays(how asking) {
	obstacles, err := r.ways(how)
	if err != nil {
		obstacles = append(obstacles, "the way through the host's firewall is unknown: "+err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	told := map[string]bool{}
	for _, text := range obstacles {
		if !r.told[text] {
			r.cfg.Log.Warn(text)
		}
		told[text] = true
	}
	r.told = told
}

func (r *Router) ways(how asking) (obstacles []string, err error) {
	unlock, err := r.lockFile("ways", alone) // one engine at a time: none finds its rules twice
	if err != nil {
		return nil, err
	}
	defer unlock()
	chains, err := r.cfg.NFT.BaseChains()
	if err != nil {
		return nil, fmt.Errorf("look at the host's firewall: %w", err)
	}
	chains = slices.DeleteFunc(chains, func(c nft.BaseChain) bool { return !foreign(c) })
	tables, err := r.legacyTables()
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 && len(tables) == 0 {
		return nil, nil // the usual case
	}
	bridges, others, err := r.bridges()
	if err != nil {
		return nil, err
	}
	want := passages(bridges, others)
	for _, c := range chains {
		obstacles = append(obstacles, r.openChain(c, want)...)
	}
	for _, t := range tables {
		obstacles = append(obstacles, r.openLegacy(t, want)...)
	}
	if slices.ContainsFunc(chains, func(c nft.BaseChain) bool { return c.Table == firewalldTable }) {
		found, err := r.openFirewalld(how, bridges)
		return append(obstacles, found...), err
	}
	return obstacles, nil
}

// foreign says whether a chain of somebody else's decides about forwarded packets.
func foreign(c nft.BaseChain) bool {
	mine := c.Family == nft.Inet && (c.Table == "tiffin" || strings.HasPrefix(c.Table, "tiffin-"))
	return c.At == nft.Forward && !mine && slices.Contains([]nft.Family{nft.Inet, nft.IPv4, nft.IPv6}, c.Family)
}

// openChain makes our rules the last of a chain that drops, and takes them out of others.
func (r *Router) openChain(c nft.BaseChain, want []passage) (obstacles []string) {
	if c.Policy != nft.Drop {
		want = nil
	}
	if r.cfg.LeaveFirewalls {
		if len(want) > 0 {
			obstacles = append(obstacles, obstacle(c, "the engine is set to leave it alone"))
		}
		return obstacles
	}
	name := nft.ChainName{Family: c.Family, Table: c.Table, Name: c.Name}
	err := error(unix.ENOENT)
	for range 5 { // somebody else may be changing it, too
		var rules []nft.StoredRule
		if rules, err = r.cfg.NFT.Rules(name); err != nil {
			continue
		}
		var b nft.Batch
		remove, add := correction(rules, want)
		for _, handle := range remove {
			b.RemoveRule(name, handle)
		}
		for _, p := range add {
			b.AddRule(name, p.rule(), p.comment())
		}
		if err = r.cfg.NFT.Apply(&b); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) && len(want) > 0 { // ENOENT: the chain has gone
		obstacles = append(obstacles, obstacle(c, err.Error()))
	}
	return obstacles
}

// correction is what it takes to have these rules of ours, at the end, and no others:
// rules to remove and rules to add.
func correction(there []nft.StoredRule, want []passage) (remove []uint64, add []passage) {
	if slices.Equal(ownComments(there), comments(want)) && slices.Equal(ownComments(lastOf(there, len(want))), comments(want)) {
		return nil, nil
	}
	for _, rule := range there {
		if strings.HasPrefix(rule.Comment, own) {
			remove = append(remove, rule.Handle)
		}
	}
	return remove, want
}

func lastOf(rules []nft.StoredRule, n int) []nft.StoredRule { return rules[max(0, len(rules)-n):] }

func ownComments(rules []nft.StoredRule) []string {
	var found []string
	for _, r := range rules {
		if strings.HasPrefix(r.Comment, own) {
			found = append(found, r.Comment)
		}
	}
	return found
}

func obstacle(c nft.BaseChain, why string) string {
	return fmt.Sprintf("the host's firewall drops what containers send to the outside and what comes to their ports "+
		"(chain %s of table %s %s; %s): let it accept what comes from and goes to the interfaces %s*",
		c.Name, c.Family, c.Table, why, BridgePrefix)
}
