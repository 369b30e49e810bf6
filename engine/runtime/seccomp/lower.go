package seccomp

import (
	"cmp"
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

// entry is one rule for one number, and its place in the profile.
type entry struct {
	nr    uint32
	place int
	rule
}

// lower collects what a profile says for one architecture, sorted by number.
func lower(profile *specs.LinuxSeccomp, a arch, fallback action) ([]call, error) {
	var entries []entry
	add := func(name string, rules []rule) {
		nr, ok := a.number(name)
		if !ok {
			return
		}
		for _, r := range rules {
			entries = append(entries, entry{nr, len(entries), r})
		}
	}
	for _, s := range profile.Syscalls {
		rules, err := parseRules(s)
		if err != nil {
			return nil, err
		}
		for _, name := range s.Names {
			add(name, rules)
			if carrier, selector := a.carrier(name); carrier != "" {
				add(carrier, selecting(selector, rules))
			}
		}
	}
	slices.SortFunc(entries, func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.nr, y.nr), cmp.Compare(x.place, y.place))
	})
	return gather(entries, fallback), nil
}

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

// gather joins the rules of each number. One that says the same as the default
// names its call (which is then not newer than the profile) but decides
// nothing; one without conditions decides all.
func gather(sorted []entry, fallback action) []call {
	calls := make([]call, 0, len(sorted))
	for i, e := range sorted {
		if i == 0 || sorted[i-1].nr != e.nr {
			calls = append(calls, call{nr: e.nr})
		}
		last := &calls[len(calls)-1]
		switch {
		case e.act == fallback, last.decided():
		case len(e.conds) == 0:
			last.rules = []rule{e.rule}
		default:
			last.rules = append(last.rules, e.rule)
		}
	}
	return calls
}

func (c call) decided() bool { return len(c.rules) == 1 && len(c.rules[0].conds) == 0 }
