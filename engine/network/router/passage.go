package router

import (
	"slices"
	"strings"

	"tiffin/engine/network/nft"
)

// own begins the comment of each rule of ours in other people's chains, and the
// comment says the rest: what is ours is found by it, and how much of it is there.
const own = "tiffin: "

// BridgePrefix begins the names of bridges that nobody has chosen a name for.
const BridgePrefix = "tf-"

// passage is a rule of ours at the end of somebody else's chain. Names of interfaces
// may be patterns that end with a star; "" is any.
type passage struct {
	from, to string
	// shut leaves packets to what the chain does without us.
	shut bool
}

// passages are those for bridges of ours, beside bridges of others' whose containers or
// virtual machines are protected by nothing but a chain that drops: that must not end
// with us. The names that we choose ourselves have one rule for all, so that networks
// come and go without a change.
func passages(bridges, others []string) []passage {
	var patterns []string
	for _, name := range bridges {
		if strings.HasPrefix(name, BridgePrefix) {
			name = BridgePrefix + "*"
		}
		patterns = append(patterns, name)
	}
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	var all []passage
	for _, p := range patterns {
		for _, other := range slices.Sorted(slices.Values(others)) {
			all = append(all, passage{from: p, to: other, shut: true})
		}
	}
	for _, p := range patterns {
		all = append(all, passage{from: p}, passage{to: p})
	}
	return all
}

func (p passage) comment() string {
	words := []string{strings.TrimSpace(own)}
	if p.shut {
		words = append(words, "not")
	}
	if p.from != "" {
		words = append(words, "from", p.from)
	}
	if p.to != "" {
		words = append(words, "to", p.to)
	}
	return strings.Join(words, " ")
}

// parsePassage reads a comment. What is none of ours has no beginning and no end.
func parsePassage(comment string) passage {
	var p passage
	words := strings.Fields(strings.TrimPrefix(comment, own))
	if len(words) > 0 && words[0] == "not" {
		p.shut, words = true, words[1:]
	}
	for ; len(words) > 1; words = words[2:] {
		switch words[0] {
		case "from":
			p.from = words[1]
		case "to":
			p.to = words[1]
		}
	}
	return p
}

// rule is the passage as iptables-nft(8) would write it, so that it can read it.
func (p passage) rule() nft.Rule {
	var r nft.Rule
	for _, side := range []struct {
		field nft.Field
		name  string
	}{{nft.InputName, p.from}, {nft.OutputName, p.to}} {
		prefix, pattern := strings.CutSuffix(side.name, "*")
		switch {
		case side.name == "":
		case pattern:
			r = append(r, nft.Begins{Field: side.field, Text: prefix})
		default:
			r = append(r, nft.Is{Field: side.field, Value: nft.Ifname(side.name)})
		}
	}
	if p.shut {
		return append(r, nft.Counter{}, nft.Return) // of a base chain: to its policy
	}
	return append(r, nft.Counter{}, nft.Accept)
}

// iptables are the arguments that say the same to iptables(8).
func (p passage) iptables() []string {
	var args []string
	for _, side := range []struct{ option, name string }{{"-i", p.from}, {"-o", p.to}} {
		if prefix, pattern := strings.CutSuffix(side.name, "*"); pattern {
			side.name = prefix + "+"
		}
		if side.name != "" {
			args = append(args, side.option, side.name)
		}
	}
	target := "ACCEPT"
	if p.shut {
		target = "RETURN"
	}
	return append(args, "-m", "comment", "--comment", p.comment(), "-j", target)
}

func comments(want []passage) []string {
	var all []string
	for _, p := range want {
		all = append(all, p.comment())
	}
	return all
}
