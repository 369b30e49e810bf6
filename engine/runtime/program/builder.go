package program

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"syscall"
)

// Program is a finished list of steps with its data. It does not change.
type Program struct {
	ops    []op
	labels []string // one for each op
	inputs int
	names  []string // of the registers that have one, by number
	data   []byte
	blocks []block
	relocs []reloc
}

// Label is the text that the step's author gave it, such as "mount /data".
func (p *Program) Label(step uint32) string {
	if int64(step) >= int64(len(p.labels)) {
		return "start the child"
	}
	return p.labels[step]
}

// Inputs is how many descriptors the program is to be given.
func (p *Program) Inputs() int { return p.inputs }

// Builder composes a [Program]. Its methods note the first mistake, such as a
// string that holds a NUL, and go on; [Builder.Program] returns it.
type Builder struct {
	p       Program
	strings map[string]Data
	targets []int // where each Target was placed, -1 before
	jumps   []jump
	err     error
}

// Target is a place in the program to which steps before it can jump.
type Target int

// jump is a step whose distance is known only when its target is placed.
type jump struct {
	step   int
	target Target
}

// Step is one system call being composed; its methods return it, so that they can
// be chained.
type Step struct {
	b *Builder
	i int
}

// Input claims the next of the descriptors that come with the program and returns
// the register that holds it. Inputs are claimed before any [Builder.Register].
func (b *Builder) Input(name string) Reg {
	if b.p.inputs != len(b.p.names) {
		b.fail("input ", name, " comes after a register")
	}
	if b.p.inputs == MaxInputs {
		b.fail("input ", name, ": more than ", strconv.Itoa(MaxInputs), " descriptors")
		return 0
	}
	b.p.inputs++
	return b.Register(name)
}

// Register claims an unused register for results.
func (b *Builder) Register(name string) Reg {
	r := len(b.p.names)
	if r >= int(ReportReg) {
		b.fail("register ", name, ": more than ", strconv.Itoa(int(ReportReg)))
		return 0
	}
	b.p.names = append(b.p.names, name)
	return Reg(r)
}

// Call adds a system call. The label says in an error message what was being done:
// "mount /data".
func (b *Builder) Call(label string, nr uintptr, args ...Arg) *Step {
	o := op{kind: opCall, nr: uint32(nr), out: noRegister}
	if len(args) > len(o.args) {
		b.fail(label, ": ", strconv.Itoa(len(args)), " arguments")
		args = args[:len(o.args)]
	}
	for i, a := range args {
		o.set(i, a)
	}
	return b.add(label, o)
}

// Into puts the call's result into r; a tolerated errno as its negative.
func (s *Step) Into(r Reg) *Step {
	s.op().out = uint16(r)
	return s
}

// Tolerate makes the program go on with the next step when the call gives one of up
// to four errnos, instead of ending it.
func (s *Step) Tolerate(errnos ...syscall.Errno) *Step {
	o := s.op()
	for _, e := range errnos {
		if !o.tolerate(e) {
			s.b.fail(s.b.p.labels[s.i], ": tolerates more than ", strconv.Itoa(len(o.tolerated)), " errnos")
		}
	}
	return s
}

// Else makes the program go on at t, instead of the next step, after a tolerated errno.
func (s *Step) Else(t Target) *Step {
	s.b.jumps = append(s.b.jumps, jump{s.i, t})
	return s
}

func (s *Step) op() *op { return &s.b.p.ops[s.i] }

// Target makes a new target, to be placed later.
func (b *Builder) Target() Target {
	b.targets = append(b.targets, -1)
	return Target(len(b.targets) - 1)
}

// Place puts t before the step that is added next.
func (b *Builder) Place(t Target) {
	if b.targets[t] >= 0 {
		b.fail("target ", strconv.Itoa(int(t)), " is placed twice")
	}
	b.targets[t] = len(b.p.ops)
}

// Jump goes to t.
func (b *Builder) Jump(t Target) {
	b.add("", op{kind: opJump, out: noRegister}).Else(t)
}

// JumpEqual goes to t when r holds v.
func (b *Builder) JumpEqual(r Reg, v int64, t Target) {
	b.compare(opJumpEqual, r, v).Else(t)
}

// JumpUnequal goes to t when r does not hold v.
func (b *Builder) JumpUnequal(r Reg, v int64, t Target) {
	b.compare(opJumpUnequal, r, v).Else(t)
}

func (b *Builder) compare(k opKind, r Reg, v int64) *Step {
	o := op{kind: k, out: noRegister}
	o.set(0, r)
	o.set(1, Imm(v))
	return b.add("", o)
}

// Store32 writes the low 32 bits of r to d, which is to be a multiple of four: a
// descriptor into a structure that a later call reads.
func (b *Builder) Store32(r Reg, d Data) {
	o := op{kind: opStore32, out: noRegister}
	o.set(0, r)
	o.set(1, d)
	b.add("", o)
}

// Load32 reads the signed 32 bits at d, which is to be a multiple of four, into r:
// what an earlier call wrote there.
func (b *Builder) Load32(r Reg, d Data) {
	o := op{kind: opLoad32, out: uint16(r)}
	o.set(0, d)
	b.add("", o)
}

// Exit ends the child without a report.
func (b *Builder) Exit(code uint8) {
	o := op{kind: opExit, out: noRegister}
	o.set(0, Imm(code))
	b.add("", o)
}

// Fail ends the child as a call would that gives errno.
func (b *Builder) Fail(label string, errno syscall.Errno) {
	o := op{kind: opFail, out: noRegister}
	o.set(0, Imm(errno))
	b.add(label, o)
}

// ReportPid tells the parent the process id in r: that of a process which the
// child has made and which carries on in its place.
func (b *Builder) ReportPid(r Reg) {
	o := op{kind: opReportPid, out: noRegister}
	o.set(0, r)
	b.add("", o)
}

// Program finishes: it resolves the jumps and returns the program, or the first
// mistake of its author.
func (b *Builder) Program() (*Program, error) {
	for _, j := range b.jumps {
		at := b.targets[j.target]
		switch distance := at - j.step - 1; {
		case at < 0:
			b.fail("step ", strconv.Itoa(j.step), " jumps to target ", strconv.Itoa(int(j.target)), ", which has no place")
		case distance < 0:
			b.fail("step ", strconv.Itoa(j.step), " jumps back to ", strconv.Itoa(at))
		case distance > math.MaxUint16:
			b.fail("step ", strconv.Itoa(j.step), " jumps too far, to ", strconv.Itoa(at))
		default:
			b.p.ops[j.step].skip = uint16(distance)
		}
	}
	if len(b.p.ops) == 0 {
		b.fail("no steps")
	}
	if size := b.p.size(); size > MaxSize {
		b.fail(strconv.Itoa(size), " bytes, more than ", strconv.Itoa(MaxSize))
	}
	if b.err != nil {
		return nil, b.err
	}
	p := b.p
	return &p, nil
}

func (b *Builder) add(label string, o op) *Step {
	b.p.ops = append(b.p.ops, o)
	b.p.labels = append(b.p.labels, label)
	return &Step{b, len(b.p.ops) - 1}
}

// fail notes a mistake. Package fmt would say it shorter, but the keeper links this one.
func (b *Builder) fail(parts ...string) {
	if b.err == nil {
		b.err = errors.New("build program: " + strings.Join(parts, ""))
	}
}
