package seccomp

import (
	"fmt"
	"math"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// tester is what testing.T, testing.B and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// probe is a system call as a filter sees it.
type probe struct {
	a    arch
	nr   uint32
	args [6]uint64
}

func (p probe) String() string {
	return fmt.Sprintf("%s number %d args %#x", p.a.ociName(), p.nr, p.args)
}

// word is what a load at the offset gives, see struct seccomp_data.
func (p probe) word(offset uint32) uint32 {
	switch offset {
	case offNumber:
		return p.nr
	case offArch:
		return p.a.abi().audit
	}
	i, upper := (offset-offArgs)/8, offset%8 != 0
	if upper {
		return uint32(p.args[i] >> 32)
	}
	return uint32(p.args[i])
}

// interpret runs a filter as the kernel would.
func interpret(t tester, code []unix.SockFilter, p probe) action {
	t.Helper()
	var a uint32
	for pc := 0; pc < len(code); pc++ {
		in := code[pc]
		holds := false
		switch in.Code {
		case opLoad:
			a = p.word(in.K)
			continue
		case opAnd:
			a &= in.K
			continue
		case opJump:
			pc += int(in.K)
			continue
		case opReturn:
			return action(in.K)
		case opEqual:
			holds = a == in.K
		case opGreater:
			holds = a > in.K
		case opAtLeast:
			holds = a >= in.K
		default:
			t.Fatalf("instruction %d has code %#x", pc, in.Code)
		}
		if holds {
			pc += int(in.Jt)
		} else {
			pc += int(in.Jf)
		}
	}
	t.Fatalf("%v ran off the end", p)
	return 0
}

// read answers for a probe from the profile itself, rule by rule: what the
// compiled filter has to agree with.
func read(t tester, profile *specs.LinuxSeccomp, p probe) action {
	t.Helper()
	fallback := mustAction(t, profile.DefaultAction, profile.DefaultErrnoRet)
	abi := p.a.abi()
	if abi.foreign != 0 && p.nr >= abi.foreign {
		return noSuchCall
	}
	newest := int64(math.MinInt64)
	var conditional []action
	for _, s := range profile.Syscalls {
		act := mustAction(t, s.Action, s.ErrnoRet)
		for _, name := range s.Names {
			carrier, _ := p.a.carrier(name)
			for _, name := range []string{name, carrier} {
				if nr, ok := p.a.number(name); ok && (abi.private == 0 || nr < abi.private) {
					newest = max(newest, int64(nr))
				}
			}
			for _, conds := range spellings(p, name, s.Args) {
				switch {
				case act == fallback:
				case len(conds) == 0:
					return act
				case !slices.ContainsFunc(conds, func(c specs.LinuxSeccompArg) bool { return !holds(p, c) }):
					conditional = append(conditional, act)
				}
			}
		}
	}
	if len(conditional) > 0 {
		return conditional[0]
	}
	private := abi.private != 0 && p.nr >= abi.private
	if newest >= 0 && int64(p.nr) > newest && !private && !fallback.permissive() {
		return noSuchCall
	}
	return fallback
}

// spellings are the condition lists under which an entry for name applies to
// the probe's number: alternatives split up, carried calls rewritten.
func spellings(p probe, name string, args []specs.LinuxSeccompArg) [][]specs.LinuxSeccompArg {
	lists := [][]specs.LinuxSeccompArg{args}
	count := map[uint]int{}
	for _, c := range args {
		count[c.Index]++
		if count[c.Index] == 2 {
			lists = nil
			for _, c := range args {
				lists = append(lists, []specs.LinuxSeccompArg{c})
			}
			break
		}
	}
	if nr, ok := p.a.number(name); ok && nr == p.nr {
		return lists
	}
	carrier, selector := p.a.carrier(name)
	if nr, ok := p.a.number(carrier); !ok || nr != p.nr {
		return nil
	}
	var carried [][]specs.LinuxSeccompArg
	for _, list := range lists {
		conds := slices.DeleteFunc(slices.Clone(list), func(c specs.LinuxSeccompArg) bool { return c.Index == 0 })
		carried = append(carried, append(conds, specs.LinuxSeccompArg{Value: selector, Op: specs.OpEqualTo}))
	}
	return carried
}

func holds(p probe, c specs.LinuxSeccompArg) bool {
	arg, value, two := p.args[c.Index], c.Value, c.ValueTwo
	if !p.a.abi().wide {
		arg, value, two = uint64(uint32(arg)), uint64(uint32(value)), uint64(uint32(two))
	}
	switch c.Op {
	case specs.OpEqualTo:
		return arg == value
	case specs.OpNotEqual:
		return arg != value
	case specs.OpLessThan:
		return arg < value
	case specs.OpLessEqual:
		return arg <= value
	case specs.OpGreaterEqual:
		return arg >= value
	case specs.OpGreaterThan:
		return arg > value
	default:
		return arg&value == two
	}
}

// number finds the number of a call by name.
func (a arch) number(name string) (nr uint32, ok bool) {
	row := find(name)
	if row == nil || row.numbers[a] < 0 {
		return 0, false
	}
	return uint32(row.numbers[a]), true
}

func mustAction(t tester, name specs.LinuxSeccompAction, errno *uint) action {
	t.Helper()
	act, err := parseAction(name, errno)
	if err != nil {
		t.Fatal(err)
	}
	return act
}

// checkCode applies the rules by which the kernel accepts a filter
// (bpf_check_classic): jumps forward and inside, a return at the end.
func checkCode(t tester, code []unix.SockFilter) {
	t.Helper()
	if len(code) == 0 || len(code) > maxInstructions || code[len(code)-1].Code != opReturn {
		t.Fatalf("%d instructions, the last %+v", len(code), code[len(code)-1])
	}
	for pc, in := range code {
		farthest := 0
		switch in.Code {
		case opReturn:
			continue
		case opJump:
			farthest = int(in.K)
		case opEqual, opGreater, opAtLeast:
			farthest = int(max(in.Jt, in.Jf))
		}
		if pc+1+farthest >= len(code) {
			t.Fatalf("instruction %d jumps to %d of %d", pc, pc+1+farthest, len(code))
		}
	}
}
