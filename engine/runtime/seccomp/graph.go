package seccomp

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Offsets in struct seccomp_data, see seccomp(2).
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

const wholeWord = ^uint32(0)

// load is what a test looks at: a 32-bit word of seccomp_data under a mask.
type load struct{ offset, mask uint32 }

// test compares a load with a constant; op is one of the conditional jumps.
type test struct {
	load
	op uint16
	k  uint32
}

// node is a point of the decision graph: a test with two ways on, or, when
// yes is nil, the end.
type node struct {
	test
	yes, no *node
	act     action
}

func leaf(act action) *node { return &node{act: act} }

// graph builds the decision of one architecture.
type graph struct {
	abi
	leaves   map[action]*node
	segments []segment
}

// segment is the decision for all numbers from start up to the next segment.
type segment struct {
	start  uint32
	decide *node
}

// decide builds the graph that answers for one architecture. Numbers that the
// profile does not name get the default; those above all that it names are
// calls that its author did not know, and do not exist for the container
// (EPERM would break a libc that tries the new call first), unless the default
// lets everything through.
func (a arch) decide(calls []call, fallback action) *node {
	g := graph{abi: a.abi(), leaves: map[action]*node{}}
	newer := noSuchCall
	if fallback.permissive() {
		newer = fallback
	}
	g.from(0, g.end(fallback))
	for i, c := range calls {
		g.from(c.nr, g.ruleChain(c.rules, g.end(fallback)))
		g.from(c.nr+1, g.end(fallback))
		if i+1 == len(calls) || g.isPrivate(calls[i+1].nr) {
			g.closeCommon(c.nr, newer, fallback)
		}
	}
	if g.foreign != 0 {
		g.from(g.foreign, g.end(noSuchCall))
	}
	return search(g.segments)
}

func (g *graph) isPrivate(nr uint32) bool { return g.private != 0 && nr >= g.private }

// closeCommon answers for the numbers after the newest one that a profile
// names, up to the architecture's private ones.
func (g *graph) closeCommon(newest uint32, newer, fallback action) {
	if g.isPrivate(newest) {
		return
	}
	g.from(newest+1, g.end(newer))
	if g.private != 0 {
		g.from(g.private, g.end(fallback))
	}
}

// end is the leaf of an action; one each, so that equal neighbours merge.
func (g *graph) end(act action) *node {
	if g.leaves[act] == nil {
		g.leaves[act] = leaf(act)
	}
	return g.leaves[act]
}

// from sets the decision for start and all numbers above it.
func (g *graph) from(start uint32, n *node) {
	count := len(g.segments)
	if count > 0 && g.segments[count-1].start == start {
		g.segments = g.segments[:count-1]
		count--
	}
	if count == 0 || g.segments[count-1].decide != n {
		g.segments = append(g.segments, segment{start, n})
	}
}

// search is a binary search for the segment that the number falls in. A lone
// number between two segments of one decision costs one test, not two.
func search(s []segment) *node {
	if len(s) == 1 {
		return s[0].decide
	}
	number := load{offNumber, wholeWord}
	if len(s) == 3 && s[0].decide == s[2].decide && s[1].start+1 == s[2].start {
		return &node{test: test{number, opEqual, s[1].start}, yes: s[1].decide, no: s[0].decide}
	}
	// A first part of 3, 7, 11… falls into threes: 10 % fewer instructions.
	mid := min(len(s)/2&^3|3, len(s)-1)
	return &node{test: test{number, opAtLeast, s[mid].start}, yes: search(s[mid:]), no: search(s[:mid])}
}

// ruleChain tries the rules in turn; where none holds, otherwise decides.
func (g *graph) ruleChain(rules []rule, otherwise *node) *node {
	next := otherwise
	for _, r := range slices.Backward(rules) {
		next = g.conditions(r, next)
	}
	return next
}

// conditions builds one rule: pass all conditions or go on to the next rule.
func (g *graph) conditions(r rule, next *node) *node {
	pass := g.end(r.act)
	for i, c := range slices.Backward(r.conds) {
		known := facts{}
		for _, earlier := range r.conds[:i] {
			if earlier.Op != specs.OpNotEqual {
				known = append(known, g.equalities(earlier)...)
			}
		}
		pass = g.condition(c, pass, next, known)
	}
	return pass
}

// condition builds one comparison of a 64-bit argument from tests of its two
// halves. In known are the tests that have come out true on the way here.
func (g *graph) condition(c specs.LinuxSeccompArg, pass, fail *node, known facts) *node {
	switch c.Op {
	case specs.OpNotEqual:
		return g.allOf(c, fail, pass, known)
	case specs.OpGreaterThan:
		return g.above(c, opGreater, pass, fail)
	case specs.OpGreaterEqual:
		return g.above(c, opAtLeast, pass, fail)
	case specs.OpLessEqual:
		return g.above(c, opGreater, fail, pass)
	case specs.OpLessThan:
		return g.above(c, opAtLeast, fail, pass)
	default:
		return g.allOf(c, pass, fail, known)
	}
}

// allOf demands each half under its mask. What the way so far has decided
// is not asked again at the head of the way on: five alternatives for one
// argument load and compare its upper half once.
func (g *graph) allOf(c specs.LinuxSeccompArg, yes, no *node, known facts) *node {
	tests := g.equalities(c)
	for i, t := range slices.Backward(tests) {
		before := slices.Concat(known, tests[:i])
		yes = &node{test: t, yes: yes, no: before.skip(no, t)}
	}
	return yes
}

// equalities are the tests that make up an (in)equality; upper half first.
func (g *graph) equalities(c specs.LinuxSeccompArg) facts {
	mask, value := ^uint64(0), c.Value
	switch c.Op {
	case specs.OpMaskedEqual:
		mask, value = c.Value, c.ValueTwo
	case specs.OpEqualTo, specs.OpNotEqual:
	default:
		return nil
	}
	low, high := g.halves(c.Index)
	var tests facts
	half := func(offset, mask, value uint32) {
		if mask != 0 || value != 0 {
			tests = append(tests, test{load{offset, mask}, opEqual, value})
		}
	}
	if g.wide {
		half(high, uint32(mask>>32), uint32(value>>32))
	}
	half(low, uint32(mask), uint32(value))
	return tests
}

// above compares in order: the lower halves count where the upper are equal.
func (g *graph) above(c specs.LinuxSeccompArg, op uint16, yes, no *node) *node {
	low, high := g.halves(c.Index)
	n := &node{test: test{load{low, wholeWord}, op, uint32(c.Value)}, yes: yes, no: no}
	if !g.wide {
		return n
	}
	upper := uint32(c.Value >> 32)
	if upper != 0 { // else what is not above is equal
		n = &node{test: test{load{high, wholeWord}, opEqual, upper}, yes: n, no: no}
	}
	return &node{test: test{load{high, wholeWord}, opGreater, upper}, yes: yes, no: n}
}

func (*graph) halves(arg uint) (low, high uint32) {
	low = offArgs + 8*uint32(arg)
	return low, low + 4
}

// facts are tests for equality that are known to be true.
type facts []test

// skip passes over tests at the head of n whose outcome is known, given that
// in addition the test failed is known to be false.
func (f facts) skip(n *node, failed test) *node {
	for n.yes != nil {
		switch {
		case n.test == failed:
			n = n.no
		case slices.Contains(f, n.test):
			n = n.yes
		default:
			return n
		}
	}
	return n
}
