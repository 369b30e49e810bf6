package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// The instructions that a filter is made of.
const (
	opLoad    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd     = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opJump    = unix.BPF_JMP | unix.BPF_JA
	opEqual   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opGreater = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opAtLeast = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opReturn  = unix.BPF_RET | unix.BPF_K
)

// reach is how far a conditional jump may go: eight bits, less what may still
// be put between the target and the jump.
const reach = 250

// emitter writes a program from its end to its beginning. Positions count from
// the end, so a position does not change when more is written, and everything
// that a jump can go to has one already.
type emitter struct {
	code    []unix.SockFilter
	tests   map[*node]int  // a node's test, its word being loaded
	loads   map[*node]int  // the load before it
	returns map[action]int // the nearest return of an action
	jumps   map[int]int    // the nearest jump to a far position
}

// emit turns a decision graph into instructions.
func emit(root *node) []unix.SockFilter {
	e := emitter{tests: map[*node]int{}, loads: map[*node]int{}, returns: map[action]int{}, jumps: map[int]int{}}
	e.place(root, load{})
	slices.Reverse(e.code)
	return e.code
}

func (e *emitter) add(in unix.SockFilter) int {
	e.code = append(e.code, in)
	return len(e.code) - 1
}

// place writes n, unless it is there already, and tells where to enter it with
// the given word loaded.
func (e *emitter) place(n *node, loaded load) int {
	if n.yes == nil {
		return e.ret(n.act)
	}
	at, done := e.tests[n]
	if !done {
		at = e.test(n)
		e.tests[n] = at
	}
	if n.load == loaded {
		return at
	}
	if at, done := e.loads[n]; done {
		return at
	}
	if at != len(e.code)-1 {
		e.jump(at)
	}
	if n.mask != wholeWord {
		e.add(unix.SockFilter{Code: opAnd, K: n.mask})
	}
	e.loads[n] = e.add(unix.SockFilter{Code: opLoad, K: n.offset})
	return e.loads[n]
}

// test writes the conditional jump of n, and all behind it that is missing.
func (e *emitter) test(n *node) int {
	yes := e.place(n.yes, n.load)
	no := e.place(n.no, n.load)
	yes, no = e.near(n.yes, yes), e.near(n.no, no)
	here := len(e.code)
	return e.add(unix.SockFilter{Code: n.op, Jt: uint8(here - yes - 1), Jf: uint8(here - no - 1), K: n.k})
}

// near makes sure that a conditional jump written next reaches the target.
func (e *emitter) near(n *node, target int) int {
	if len(e.code)-target <= reach {
		return target
	}
	if n.yes == nil {
		return e.ret(n.act)
	}
	if at, ok := e.jumps[target]; ok && len(e.code)-at <= reach {
		return at
	}
	at := e.jump(target)
	e.jumps[target] = at
	return at
}

func (e *emitter) ret(act action) int {
	if at, ok := e.returns[act]; ok && len(e.code)-at <= reach {
		return at
	}
	at := e.add(unix.SockFilter{Code: opReturn, K: uint32(act)})
	e.returns[act] = at
	return at
}

func (e *emitter) jump(target int) int {
	return e.add(unix.SockFilter{Code: opJump, K: uint32(len(e.code) - target - 1)})
}
