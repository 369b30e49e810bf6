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

// own begins the comment of each rule of ours in other people's chains, and the
// comment says the rest: what is ours is found by it, and how much of it is there.
const own = "tiffin: "

// passage lets packets from, or to, some bridges through.
type passage struct {
	field  nft.Field
	prefix string // of the bridges' names, or
	name   string // a bridge
}

// passages are those for bridges of these names. The names that we choose ourselves
// have one pair for all, so that networks come and go without a change.
func passages(bridges []string) []passage {
	var all []passage
	for _, name := range slices.Sorted(slices.Values(bridges)) {
		p := passage{name: name}
		if strings.HasPrefix(name, BridgePrefix) {
			p = passage{prefix: BridgePrefix}
			if slices.ContainsFunc(all, func(q passage) bool { return q.prefix != "" }) {
				continue
			}
		}
		for _, p.field = range []nft.Field{nft.InputName, nft.OutputName} {
			all = append(all, p)
		}
	}
	return all
}

// BridgePrefix begins the names of bridges that nobody has chosen a name for.
const BridgePrefix = "tf-"

func (p passage) comment() string {
	way := "from "
	if p.field == nft.OutputName {
		way = "to "
	}
	if p.prefix != "" {
		return own + way + p.prefix + "*"
	}
	return own + way + p.name
}

// rule is the passage as iptables-nft(8) would write it, so that it can read it.
func (p passage) rule() nft.Rule {
	if p.prefix != "" {
		return nft.Rule{nft.Begins{Field: p.field, Text: p.prefix}, nft.Counter{}, nft.Accept}
	}
	return nft.Rule{nft.Is{Field: p.field, Value: nft.Ifname(p.name)}, nft.Counter{}, nft.Accept}
}

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
	links, err := r.cfg.Links()
	if err != nil {
		return nil, fmt.Errorf("list the host's interfaces: %w", err)
	}
	var bridges []string
	for _, l := range links {
		if ours(l) {
			bridges = append(bridges, l.Attrs().Name)
		}
	}
	for _, c := range chains {
		obstacles = append(obstacles, r.openChain(c, bridges)...)
	}
	for _, t := range tables {
		obstacles = append(obstacles, r.openLegacy(t, bridges)...)
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
func (r *Router) openChain(c nft.BaseChain, bridges []string) (obstacles []string) {
	var want []passage
	if c.Policy == nft.Drop {
		want = passages(bridges)
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
		b := correction(name, rules, want)
		if err = r.cfg.NFT.Apply(&b); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) && len(want) > 0 { // ENOENT: the chain has gone
		obstacles = append(obstacles, obstacle(c, err.Error()))
	}
	return obstacles
}

// correction is what it takes to have these rules of ours, at the end, and no others.
func correction(name nft.ChainName, there []nft.StoredRule, want []passage) nft.Batch {
	var b nft.Batch
	if slices.Equal(ownComments(there), comments(want)) && slices.Equal(ownComments(lastOf(there, len(want))), comments(want)) {
		return b
	}
	for _, rule := range there {
		if strings.HasPrefix(rule.Comment, own) {
			b.RemoveRule(name, rule.Handle)
		}
	}
	for _, p := range want {
		b.AddRule(name, p.rule(), p.comment())
	}
	return b
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

func comments(want []passage) []string {
	var all []string
	for _, p := range want {
		all = append(all, p.comment())
	}
	return all
}

func obstacle(c nft.BaseChain, why string) string {
	return fmt.Sprintf("the host's firewall drops what containers send to the outside and what comes to their ports "+
		"(chain %s of table %s %s; %s): let it accept what comes from and goes to the interfaces %s*",
		c.Name, c.Family, c.Table, why, BridgePrefix)
}
