package program

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// build finishes a program that is known to be right.
func build(t *testing.T, b *Builder) *Program {
	t.Helper()
	p, err := b.Program()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load encodes p and loads it again.
func load(t *testing.T, p *Program) *Code {
	t.Helper()
	c := &Code{}
	if err := c.Load(p.Encode()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAProgramPrintsAsItReads(t *testing.T) {
	var b Builder
	root := b.Input("root")
	dest := b.Register("dest")
	pid := b.Register("pid")
	how := make([]byte, 24)
	how[2] = unix.O_PATH >> 16
	how[16] = unix.RESOLVE_IN_ROOT
	missing, child := b.Target(), b.Target()
	b.Call("open /data", unix.SYS_OPENAT2, root, b.Str("/data"), b.Bytes(how), Imm(24)).Into(dest).Tolerate(unix.ENOENT, unix.ENOTDIR).Else(missing)
	b.Call("mount /data", unix.SYS_MOUNT, Imm(0), b.Str("."), Imm(0), Imm(unix.MS_BIND|unix.MS_REC), Imm(0))
	b.Place(missing)
	b.Call("make /dev/null", unix.SYS_MKNODAT, Imm(unix.AT_FDCWD), b.Str("null"), Imm(unix.S_IFCHR|0o666), Imm(0x103))
	b.SendDescriptor("hand out the terminal", root, dest)
	b.Call("enter", unix.SYS_CLONE, Imm(unix.CLONE_PARENT|int64(unix.SIGCHLD))).Into(pid)
	b.JumpEqual(pid, 0, child)
	b.ReportPid(pid)
	b.Exit(0)
	b.Place(child)
	b.Call("run sh", unix.SYS_EXECVE, b.Str("/bin/sh"), b.Ptrs([]string{"sh", "-c", "a \"b\""}), b.Ptrs(nil)).Tolerate(unix.ENOENT)
	b.Fail("run sh", unix.EACCES)

	want := strings.TrimPrefix(`
  0  openat2(root, "/data", {O_PATH RESOLVE_IN_ROOT}, 24) → dest or ENOENT, ENOTDIR then 2 # open /data
  1  mount(0, ".", 0, MS_BIND|MS_REC)                                            # mount /data
  2  mknodat(AT_FDCWD, "null", 020666, 0x103)                                    # make /dev/null
  3  store dest to data+80
  4  sendmsg(root, data+88, 0x4000)                                              # hand out the terminal
  5  clone(CLONE_PARENT|0x11) → pid                                              # enter
  6  if pid == 0 then 9
  7  report pid pid
  8  exit 0
  9  execve("/bin/sh", ["sh" "-c" "a \"b\""], []) or ENOENT                      # run sh
 10  fail EACCES                                                                 # run sh
`, "\n")
	if got := build(t, &b).String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTheAuthorsFirstMistakeIsReturned(t *testing.T) {
	call := func(b *Builder) *Step { return b.Call("step", unix.SYS_GETPID) }
	cases := map[string]func(b *Builder){
		"no steps":                  func(*Builder) {},
		`"a\x00b" holds a NUL`:      func(b *Builder) { b.Call("x", unix.SYS_CHDIR, b.Str("a\x00b")) },
		"which has no place":        func(b *Builder) { call(b).Else(b.Target()) },
		"jumps back to 0":           func(b *Builder) { l := b.Target(); b.Place(l); call(b); b.Jump(l) },
		"is placed twice":           func(b *Builder) { l := b.Target(); b.Place(l); call(b); b.Place(l) },
		"more than 253 descriptors": func(b *Builder) { call(b); claim(254, func() { b.Input("f") }) },
		"register x: more than 511": func(b *Builder) { call(b); claim(512, func() { b.Register("x") }) },
		"comes after a register":    func(b *Builder) { call(b); b.Register("x"); b.Input("f") },
		"step: 7 arguments":         func(b *Builder) { b.Call("step", 0, Imm(0), Imm(0), Imm(0), Imm(0), Imm(0), Imm(0), Imm(0)) },
		"more than 4 errnos":        func(b *Builder) { call(b).Tolerate(1, 2, 3, 4, 5) },
		"more than 4194304":         func(b *Builder) { call(b); b.Scratch(MaxSize) },
	}
	for want, compose := range cases {
		var b Builder
		compose(&b)
		if _, err := b.Program(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func claim(n int, f func()) {
	for range n {
		f()
	}
}

func TestTheSameStringIsKeptOnce(t *testing.T) {
	var b Builder
	first, other, again := b.Str("/dev"), b.Str("/de"), b.Str("/dev")
	if again != first || other == first {
		t.Errorf("the strings are at %d, %d and %d", first, other, again)
	}
}

func TestWhatWouldLeaveItsMemoryIsNotLoaded(t *testing.T) {
	damage := map[string]func(c *Program){
		"a register beyond the last":   func(p *Program) { p.ops[0].modes[0], p.ops[0].args[0] = modeReg, NumRegisters },
		"data beyond the end":          func(p *Program) { p.ops[0].modes[0], p.ops[0].args[0] = modeData, uint64(len(p.data)+1) },
		"an unknown operand":           func(p *Program) { p.ops[0].modes[5] = 3 },
		"an unknown op":                func(p *Program) { p.ops[0].kind = opReportPid + 1 },
		"a result beyond the last":     func(p *Program) { p.ops[0].out = NumRegisters },
		"a jump beyond the end":        func(p *Program) { p.ops[1].skip = 1 },
		"a store beyond the end":       func(p *Program) { p.ops[1].args[1] = uint64(len(p.data)) },
		"a store at an odd place":      func(p *Program) { p.ops[1].args[1] = 1 },
		"a store to a number":          func(p *Program) { p.ops[1].modes[1] = modeImm },
		"an address beyond the end":    func(p *Program) { p.relocs[0].slot = Data(len(p.data) - 4) },
		"an address at an odd place":   func(p *Program) { p.relocs[0].slot = 4 },
		"an address of what is not":    func(p *Program) { p.relocs[0].target = Data(len(p.data) + 1) },
		"too many descriptors":         func(p *Program) { p.inputs = MaxInputs + 1 },
		"no steps":                     func(p *Program) { p.ops = nil },
		"more than it says (trailing)": func(p *Program) { p.data = append(p.data, 0) },
	}
	for name, change := range damage {
		var b Builder
		b.Call("x", unix.SYS_GETPID, b.Ptrs([]string{"a"}))
		b.Store32(0, b.Scratch(4))
		p := build(t, &b)
		good := p.Encode()
		change(p)
		blob := p.Encode()
		if name == "more than it says (trailing)" {
			copy(blob, good[:headerSize])
		}
		if err := new(Code).Load(blob); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err := new(Code).Load(good); err != nil {
			t.Errorf("%s: undamaged: %v", name, err)
		}
	}
}

func TestLoadingDoesNotAllocate(t *testing.T) {
	var b Builder
	b.Call("x", unix.SYS_GETPID, b.Ptrs([]string{"a"}))
	blob := build(t, &b).Encode()
	var c Code
	if n := testing.AllocsPerRun(100, func() { _ = c.Load(blob) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLoad(f *testing.F) {
	var b Builder
	b.Input("root")
	l := b.Target()
	b.Call("x", unix.SYS_EXECVE, b.Str("/bin/sh"), b.Ptrs([]string{"a", "b"}), Reg(3)).Tolerate(unix.ENOENT).Else(l)
	b.Store32(4, b.Scratch(8))
	b.Place(l)
	b.Exit(1)
	p, err := b.Program()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		blob := make([]byte, len(raw)+1)[:len(raw)] // a copy, aligned, and not empty
		copy(blob, raw)
		var c Code
		if c.Load(blob) != nil {
			return
		}
		for i := range c.ops {
			o := &c.ops[i]
			for j, m := range o.modes {
				if m == modeReg && o.args[j] >= NumRegisters || m == modeData && o.args[j] > uint64(len(c.data)) {
					t.Fatalf("op %d, operand %d: %d", i, j, o.args[j])
				}
			}
			if i+1+int(o.skip) > len(c.ops) {
				t.Fatalf("op %d skips %d", i, o.skip)
			}
		}
	})
}
