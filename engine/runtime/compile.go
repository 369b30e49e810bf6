package runtime

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// compiled is a program with the descriptors that go with it, in order.
type compiled struct {
	program  *program.Program
	inputs   []*os.File
	flags    uint64   // namespaces for the keeper to make
	indirect bool     // the program clones the process itself, because it joins a PID namespace first
	command  string   // what is executed at the end, as the spec names it
	warnings []string // what the host made impossible, and was left out
}

// compiler composes a program. The methods add its steps; which ones is decided here, none of them is executed.
type compiler struct {
	program.Builder
	host     *Host
	inputs   []*os.File
	hows     map[unix.OpenHow]program.Data
	warnings []string

	root program.Reg // the container's root directory
	dev  program.Reg // its /dev, if ownDev
	// ownDev says that /dev is a file system that only this program can have put anything in.
	ownDev bool
	tmp    scratch
}

// scratch are registers that hold something for a few steps.
type scratch struct{ at, tree, fs, file program.Reg }

func (c *compiler) claimScratch() {
	c.tmp = scratch{at: c.Register("at"), tree: c.Register("tree"), fs: c.Register("fs"), file: c.Register("file")}
}

// compile makes the program that starts a container. Its order is the point:
//
//	enter      terminal session, cgroups, namespaces; what is written to /proc while it is still the host's
//	root       attach the root filesystem, pivot to it, let go of the host's mounts
//	mounts     the spec's, in its order; /dev with its nodes and links; the terminal
//	close up   read-only and masked paths, the root read-only
//	process    descriptors, limits, keyring, ids, capabilities, seccomp, execve
//
// After pivot_root nothing outside of the container has a path, so no symlink in it can lead there. Descriptors can; so every path is resolved with
// RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, once, and used as a descriptor from then on. That alone has to do for a container with hooks, which is
// pivoted after its mounts: createContainer hooks need both the container's files and the host's.
func (h *Host) compile(o *opened) (*compiled, error) {
	c := &compiler{host: h}
	in := c.claimInputs(o)
	c.claimScratch()
	joins, makes := o.joins()
	indirect := slices.ContainsFunc(joins, func(n namespace) bool { return n.kind == specs.PIDNamespace })
	if !h.TimeNS {
		makes &^= unix.CLONE_NEWTIME
	}
	out := &compiled{indirect: indirect, command: o.Spec.Process.Args[0], flags: makes &^ unix.CLONE_NEWCGROUP}
	c.enter(in, joins, makes)
	if indirect {
		out.flags = 0
	}
	c.attributes(o.Spec.Process)
	c.sysctls(o.Spec.Linux.Sysctl)
	c.alone()
	if in.turns == none {
		c.cover(in.root)
		c.pivot(in.root)
	} else {
		c.stage(in.root, o.Bundle)
	}
	c.names(o.Spec)
	c.mounts(o, in)
	c.devices(o.Spec.Linux.Devices)
	terminal := c.terminal(o.Spec.Process, in.console)
	c.consoleNode(terminal)
	c.makeWorkdir(o.Spec.Process.Cwd)
	if in.turns != none {
		c.turn(in.turns, "wait for the hooks that create the container")
		c.pivot(in.root)
	}
	c.readonlyPaths(o.Spec.Linux.ReadonlyPaths)
	c.maskedPaths(o.Spec.Linux.MaskedPaths)
	c.closeRoot(o.Spec)
	c.turn(in.turns, "wait for the hooks that start the container")
	err := c.process(processSpec{
		Process: o.Spec.Process, id: o.ID, stdio: in.stdio, terminal: terminal, filter: o.filter, reaper: in.reaper,
	})
	if err != nil {
		return nil, err
	}
	return c.finish(out)
}

func (c *compiler) finish(out *compiled) (*compiled, error) {
	p, err := c.Program()
	if err != nil {
		return nil, err
	}
	out.program, out.inputs, out.warnings = p, c.inputs, c.warnings
	return out, nil
}

// registers of the descriptors that come with the program.
type inputRegs struct {
	root        program.Reg
	joins       []program.Reg
	tasks       []task
	mounts      map[string]program.Reg // by destination
	hierarchies []program.Reg
	stdio       [3]program.Reg
	console     program.Reg
	reaper      program.Reg
	turns       program.Reg // on which the program waits for hooks
}

// task is the tasks file of a v1 cgroup.
type task struct {
	dir  string
	file program.Reg
}

// none is the register of a descriptor that is not given.
const none = program.ReportReg

func (c *compiler) claimInputs(o *opened) inputRegs {
	in := inputRegs{root: c.input("root", o.Rootfs), mounts: map[string]program.Reg{}}
	joins, _ := o.joins()
	for _, n := range joins {
		in.joins = append(in.joins, c.input(string(n.kind)+"ns", n.file))
	}
	in.tasks = c.claimTasks(o.entry)
	for i, m := range o.mounts {
		if m.fstype == "bind" {
			in.mounts[mountKey(i)] = c.input("source"+strconv.Itoa(i), m.tree)
		}
	}
	for _, h := range o.hierarchies {
		in.hierarchies = append(in.hierarchies, c.input("cgroup:"+h.name, h.tree))
	}
	in.stdio = c.claimStdio(o.Stdio)
	in.console = c.optional("console", o.console)
	in.reaper = c.optional("reaper", o.Reaper)
	in.turns = c.optional("turns", o.turns)
	return in
}

func mountKey(i int) string { return strconv.Itoa(i) }

func (c *compiler) claimTasks(e *cgroupEntry) []task {
	var tasks []task
	for i, f := range e.tasks {
		tasks = append(tasks, task{e.dirs[i], c.input("tasks"+strconv.Itoa(i), f)})
	}
	return tasks
}

func (c *compiler) claimStdio(s Stdio) [3]program.Reg {
	return [3]program.Reg{c.optional("stdin", s.Stdin), c.optional("stdout", s.Stdout), c.optional("stderr", s.Stderr)}
}

func (c *compiler) input(name string, f *os.File) program.Reg {
	c.inputs = append(c.inputs, f)
	return c.Input(name)
}

func (c *compiler) optional(name string, f *os.File) program.Reg {
	if f == nil {
		return none
	}
	return c.input(name, f)
}

// enter gets the process to where the container is, apart from its files.
func (c *compiler) enter(in inputRegs, joins []namespace, makes uint64) {
	for i, n := range joins {
		if n.kind == specs.PIDNamespace {
			c.Call("join pid namespace", unix.SYS_SETNS, in.joins[i], program.Imm(n.flag))
			c.cloneInto(makes &^ unix.CLONE_NEWCGROUP)
		}
	}
	c.Call("begin a session", unix.SYS_SETSID)
	c.joinTasks(in.tasks)
	for i, n := range joins {
		if n.kind != specs.PIDNamespace {
			c.Call("join "+string(n.kind)+" namespace", unix.SYS_SETNS, in.joins[i], program.Imm(n.flag))
		}
	}
	if makes&unix.CLONE_NEWCGROUP != 0 {
		// Not by clone3: the namespace's root is where the process is now.
		c.Call("make a cgroup namespace", unix.SYS_UNSHARE, program.Imm(unix.CLONE_NEWCGROUP))
	}
}

// cloneInto makes the process that carries on, in the PID namespace that this one has joined but does not enter
// itself. The new one is the keeper's child, too.
func (c *compiler) cloneInto(flags uint64) {
	if flags&unix.CLONE_NEWTIME != 0 {
		c.Call("make a time namespace", unix.SYS_UNSHARE, program.Imm(unix.CLONE_NEWTIME))
		flags &^= unix.CLONE_NEWTIME
	}
	pid, child := c.Register("pid"), c.Target()
	c.Call("clone", unix.SYS_CLONE, program.Imm(flags|unix.CLONE_PARENT|uint64(unix.SIGCHLD))).Into(pid)
	c.JumpEqual(pid, 0, child)
	c.ReportPid(pid)
	c.Exit(0)
	c.Place(child)
}

func (c *compiler) joinTasks(tasks []task) {
	for _, t := range tasks {
		c.Call("join cgroup "+t.dir, unix.SYS_WRITE, t.file, c.Str("0"), program.Imm(1))
	}
}

// attributes writes what the process has in /proc, which is still the host's: nobody can have put anything else there.
func (c *compiler) attributes(p *specs.Process) {
	if want := p.OOMScoreAdj; want != nil {
		if *want < c.host.OOMScoreAdj && c.host.Capabilities&capSysResource == 0 {
			c.warn("oom_score_adj left at %d: to lower it takes CAP_SYS_RESOURCE, which the engine does not have", c.host.OOMScoreAdj)
		} else {
			c.writeProc("/proc/self/oom_score_adj", strconv.Itoa(*want))
		}
	}
	if p.ApparmorProfile != "" {
		c.writeProc("/proc/self/attr/apparmor/exec", "exec "+p.ApparmorProfile)
	}
	if p.SelinuxLabel != "" {
		c.writeProc("/proc/self/attr/exec", p.SelinuxLabel)
	}
}

func (c *compiler) sysctls(sysctls map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(sysctls)) {
		c.writeProc("/proc/sys/"+sysctlPath(key), sysctls[key])
	}
}

func (c *compiler) writeProc(path, text string) {
	f := c.tmp.file
	c.Call("open "+path, unix.SYS_OPENAT, program.Imm(unix.AT_FDCWD), c.Str(path), program.Imm(unix.O_WRONLY|unix.O_CLOEXEC)).Into(f)
	c.Call("write "+path, unix.SYS_WRITE, f, c.Str(text), program.Imm(len(text)))
	c.close(f)
}

func (c *compiler) names(s *specs.Spec) {
	if s.Hostname != "" {
		c.Call("set hostname", unix.SYS_SETHOSTNAME, c.Str(s.Hostname), program.Imm(len(s.Hostname)))
	}
	if s.Domainname != "" {
		c.Call("set domainname", unix.SYS_SETDOMAINNAME, c.Str(s.Domainname), program.Imm(len(s.Domainname)))
	}
}

func (c *compiler) close(r program.Reg) { c.Call("", unix.SYS_CLOSE, r) }

func (c *compiler) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// inRoot is how a path of the container is resolved.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// open opens a path of the container.
func (c *compiler) open(label, path string, flags, resolve uint64) *program.Step {
	return c.openAt(label, c.root, path, unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve})
}

func (c *compiler) openAt(label string, dir program.Reg, path string, how unix.OpenHow) *program.Step {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		path = "."
	}
	return c.Call(label, unix.SYS_OPENAT2, dir, c.Str(path), c.how(how), program.Imm(unix.SizeofOpenHow))
}

func (c *compiler) how(h unix.OpenHow) program.Data {
	if d, ok := c.hows[h]; ok {
		return d
	}
	if c.hows == nil {
		c.hows = map[unix.OpenHow]program.Data{}
	}
	d := c.Bytes(words(h.Flags, h.Mode, h.Resolve))
	c.hows[h] = d
	return d
}

func words32(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// words lays out numbers as they lie in a structure of the kernel's.
func words(values ...uint64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}
