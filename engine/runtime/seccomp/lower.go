package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// rule is an action and the conditions under which it holds, all of them.
type rule struct {
	conds []specs.LinuxSeccompArg
	act   action
}

// call is a system call and its rules: none, where the default holds, one
// without conditions, or some with.
type call struct {
	nr    uint32
	rules []rule
}

// collector gathers the rules of one architecture in the profile's order.
type collector struct {
	arch
	rules []rule
	// order has a number in the upper half of each element, and the index of
	// its rule in the lower: sorted, it lists the rules of each number in the
	// profile's order.
	order []uint64
}

// lower translates the rules of a profile for each of the architectures:
// the calls that it names, sorted by number.
func lower(profile *specs.LinuxSeccomp, arches []arch, fallback action) ([][]call, error) {
	collectors := make([]collector, len(arches))
	for i, a := range arches {
		collectors[i].arch = a
	}
	for _, s := range profile.Syscalls {
		rules, err := parseRules(s)
		if err != nil {
			return nil, err
		}
		for _, name := range s.Names {
			row := find(name)
			for i := range collectors {
				collectors[i].add(name, row, rules)
			}
		}
	}
	calls := make([][]call, len(arches))
	for i := range collectors {
		calls[i] = collectors[i].gather(fallback)
	}
	return calls, nil
}

func (c *collector) add(name string, row *syscall, rules []rule) {
	if row != nil && row.numbers[c.arch] >= 0 {
		c.addNumber(uint64(row.numbers[c.arch]), rules)
	}
	if carrier, selector := c.carrier(name); carrier != "" {
		c.addNumber(uint64(find(carrier).numbers[c.arch]), selecting(selector, rules))
	}
}

func (c *collector) addNumber(nr uint64, rules []rule) {
	for _, r := range rules {
		c.order = append(c.order, nr<<32|uint64(len(c.rules)))
		c.rules = append(c.rules, r)
	}
}

// gather joins the rules of each number. One that says the same as the default
// names its call (which is then not newer than the profile) but decides
// nothing; one without conditions decides all.
func (c *collector) gather(fallback action) []call {
	slices.Sort(c.order)
	calls := make([]call, 0, len(c.order))
	for _, o := range c.order {
		nr, i := uint32(o>>32), uint32(o)
		r := c.rules[i]
		if len(calls) == 0 || calls[len(calls)-1].nr != nr {
			calls = append(calls, call{nr: nr})
		}
		last := &calls[len(calls)-1]
		switch {
		case r.act == fallback, last.decided():
		case len(r.conds) == 0:
			last.rules = c.rules[i : i+1 : i+1]
		default:
			last.rules = append(last.rules, r)
		}
	}
	return calls
}

func (c call) decided() bool { return len(c.rules) == 1 && len(c.rules[0].conds) == 0 }

// parseRules translates one entry of a profile. Several conditions on one
// argument cannot hold together in most profiles that have them: they mean
// alternatives, and then so do all conditions of the entry (runc's matchCall).
func parseRules(s specs.LinuxSyscall) ([]rule, error) {
	act, err := parseAction(s.Action, s.ErrnoRet)
	if err != nil {
		return nil, fmt.Errorf("system calls %v: %w", s.Names, err)
	}
	var seen [6]bool
	alternatives := false
	for _, c := range s.Args {
		if err := checkCondition(c); err != nil {
			return nil, fmt.Errorf("system calls %v: %w", s.Names, err)
		}
		alternatives = alternatives || seen[c.Index]
		seen[c.Index] = true
	}
	if !alternatives {
		return []rule{{s.Args, act}}, nil
	}
	rules := make([]rule, len(s.Args))
	for i := range s.Args {
		rules[i] = rule{s.Args[i : i+1], act}
	}
	return rules, nil
}

func checkCondition(c specs.LinuxSeccompArg) error {
	if c.Index > 5 {
		return fmt.Errorf("%w: argument %d, a call has 0 to 5", ErrInvalid, c.Index)
	}
	switch c.Op {
	case specs.OpEqualTo, specs.OpNotEqual, specs.OpMaskedEqual,
		specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterEqual, specs.OpGreaterThan:
		return nil
	}
	return fmt.Errorf("%w: operator %q", ErrInvalid, c.Op)
}

// selecting are the rules for a carrier call: its first argument selects,
// conditions on the others stay as they are (libseccomp does the same).
func selecting(selector uint64, rules []rule) []rule {
	carried := make([]rule, len(rules))
	for i, r := range rules {
		conds := []specs.LinuxSeccompArg{{Index: 0, Value: selector, Op: specs.OpEqualTo}}
		for _, c := range r.conds {
			if c.Index != 0 {
				conds = append(conds, c)
			}
		}
		carried[i] = rule{conds, r.act}
	}
	return carried
}
