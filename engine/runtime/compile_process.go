package runtime

import (
	"fmt"
	"math"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// processSpec is what the last part of a program makes of a process, the same for a container's first and for later ones.
type processSpec struct {
	*specs.Process
	id       string // of the container
	stdio    [3]program.Reg
	terminal program.Reg
	filter   *filter
	reaper   program.Reg
}

// commandLabel marks the steps that look for the command: their failure is told in words that people know.
const commandLabel = "exec"

// reaperName is how the reaper shows in a list of processes, before the command and its arguments.
const reaperName = "tiffin-init"

// process adds the steps from the finished file tree to execve. Their order is given by what each one needs:
//
//	descriptors, limits and keyring    first, while the process is root with all capabilities
//	bounding set                       needs CAP_SETPCAP, which the change of the user takes away
//	groups, gid, uid                   with KEEPCAPS, so that the rest can still be chosen
//	working directory                  as the user, who must be allowed to be there
//	seccomp without no_new_privs       needs CAP_SYS_ADMIN: before the capabilities are given up
//	capabilities, ambient ones last    those are cleared by the change of the user
//	seccomp with no_new_privs          as late as possible, it may forbid all of the above
func (c *compiler) process(p processSpec) error {
	caps, err := c.host.capabilities(p.Capabilities)
	if err != nil {
		return err
	}
	limits, warnings, err := c.host.rlimits(p.Rlimits)
	if err != nil {
		return err
	}
	c.warnings = append(c.warnings, warnings...)
	workdir := c.Register("workdir")

	c.stdio(p)
	for _, l := range limits {
		c.Call("set "+l.name, unix.SYS_PRLIMIT64, program.Imm(0), program.Imm(l.number), c.Bytes(words(l.soft, l.hard)), program.Imm(0))
	}
	c.keyring(p.id)
	c.open("working directory "+p.Cwd, p.Cwd, unix.O_PATH|unix.O_DIRECTORY, inRoot).Into(workdir)
	c.Call("", unix.SYS_CLOSE_RANGE, program.Imm(3), program.Imm(math.MaxUint32), program.Imm(unix.CLOSE_RANGE_CLOEXEC))
	if p.NoNewPrivileges {
		c.Call("set no_new_privs", unix.SYS_PRCTL, program.Imm(unix.PR_SET_NO_NEW_PRIVS), program.Imm(1))
	}
	c.boundingSet(caps.bounding)
	c.user(p.User)
	c.Call("working directory "+p.Cwd, unix.SYS_FCHDIR, workdir)
	if p.filter != nil && !p.NoNewPrivileges {
		c.capset(capSets{effective: caps.effective | capSysAdmin, permitted: caps.permitted | capSysAdmin, inheritable: caps.inheritable})
		c.seccomp(p)
	}
	c.capset(caps)
	c.ambient(caps.ambient)
	if p.filter != nil && p.NoNewPrivileges {
		c.seccomp(p)
	}
	c.exec(p)
	return nil
}

// stdio puts the first three descriptors in place.
func (c *compiler) stdio(p processSpec) {
	if p.terminal != none {
		c.Call("make the terminal the controlling one", unix.SYS_IOCTL, p.terminal, program.Imm(unix.TIOCSCTTY), program.Imm(0))
		p.stdio = [3]program.Reg{p.terminal, p.terminal, p.terminal}
	}
	null := none
	for i, r := range p.stdio {
		if r == none {
			if null == none {
				null = c.Register("null")
				// O_NONBLOCK: should somebody have put a fifo there, it is not to block.
				c.open("open /dev/null", "/dev/null", unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, inRoot).Into(null)
			}
			r = null
		}
		c.Call("", unix.SYS_DUP3, r, program.Imm(i), program.Imm(0))
		if r != null && p.User.UID != 0 {
			// So that the user can open /dev/stdout and the like. Not every kind of file lets itself be given away.
			c.Call("give away a descriptor", unix.SYS_FCHOWN, program.Imm(i), program.Imm(p.User.UID), program.Imm(-1)).
				Tolerate(unix.EPERM, unix.EROFS, unix.EINVAL)
		}
	}
}

// keyring gives the container a session keyring of its own, named so that each process of it joins the same one.
func (c *compiler) keyring(id string) {
	const (
		// What a new session keyring has, and that its user may find it, which joining it by name takes.
		permissions = 0x3f13_0000 | 0x8_0000
	)
	ring, done := c.Register("keyring"), c.Target()
	c.Call("join the session keyring", unix.SYS_KEYCTL, program.Imm(unix.KEYCTL_JOIN_SESSION_KEYRING), c.Str("_ses."+id)).
		Into(ring).Tolerate(unix.ENOSYS).Else(done)
	c.Call("open the session keyring", unix.SYS_KEYCTL, program.Imm(unix.KEYCTL_SETPERM), ring, program.Imm(permissions))
	c.Place(done)
}

func (c *compiler) boundingSet(keep CapabilitySet) {
	for n := 0; n <= c.host.LastCap; n++ {
		if !keep.has(n) {
			c.Call("drop capability "+capabilityName(n), unix.SYS_PRCTL, program.Imm(unix.PR_CAPBSET_DROP), program.Imm(n))
		}
	}
}

func (c *compiler) user(u specs.User) {
	c.Call("keep capabilities", unix.SYS_PRCTL, program.Imm(unix.PR_SET_KEEPCAPS), program.Imm(1))
	groups := program.Arg(program.Imm(0))
	if len(u.AdditionalGids) > 0 {
		groups = c.Bytes(words32(u.AdditionalGids...))
	}
	c.Call("set groups", unix.SYS_SETGROUPS, program.Imm(len(u.AdditionalGids)), groups)
	c.Call("set group", unix.SYS_SETGID, program.Imm(u.GID))
	c.Call("set user", unix.SYS_SETUID, program.Imm(u.UID))
	c.Call("keep capabilities", unix.SYS_PRCTL, program.Imm(unix.PR_SET_KEEPCAPS), program.Imm(0))
	umask := uint32(0o022)
	if u.Umask != nil {
		umask = *u.Umask
	}
	c.Call("", unix.SYS_UMASK, program.Imm(umask))
}

func (c *compiler) capset(s capSets) {
	header := words32(unix.LINUX_CAPABILITY_VERSION_3, 0)
	data := words32(
		uint32(s.effective), uint32(s.permitted), uint32(s.inheritable),
		uint32(s.effective>>32), uint32(s.permitted>>32), uint32(s.inheritable>>32),
	)
	c.Call("set capabilities", unix.SYS_CAPSET, c.Bytes(header), c.Bytes(data))
}

func (c *compiler) ambient(s CapabilitySet) {
	c.Call("clear ambient capabilities", unix.SYS_PRCTL, program.Imm(unix.PR_CAP_AMBIENT), program.Imm(unix.PR_CAP_AMBIENT_CLEAR_ALL))
	for n := 0; n <= c.host.LastCap; n++ {
		if s.has(n) {
			c.Call("raise ambient capability "+capabilityName(n), unix.SYS_PRCTL,
				program.Imm(unix.PR_CAP_AMBIENT), program.Imm(unix.PR_CAP_AMBIENT_RAISE), program.Imm(n))
		}
	}
}

func (c *compiler) seccomp(p processSpec) {
	const sizeofSockFilter = 8
	code := c.Bytes(p.filter.code)
	fprog := c.Bytes(words(uint64(len(p.filter.code)/sizeofSockFilter), 0)) // unsigned short len; struct sock_filter *filter
	c.Point(fprog, 8, code)
	c.Call("load the seccomp filter", unix.SYS_SECCOMP, program.Imm(unix.SECCOMP_SET_MODE_FILTER), program.Imm(p.filter.flags), fprog)
}

// exec replaces the program by the command.
func (c *compiler) exec(p processSpec) {
	env, argv := c.Ptrs(p.Env), c.Ptrs(p.Args)
	if p.reaper != none {
		c.splitReaper(p, env)
	}
	files := candidates(p.Args[0], p.Env)
	if len(files) == 0 {
		c.Fail(commandLabel, unix.ENOENT)
	}
	for i, file := range files {
		attempt := c.Call(commandLabel, unix.SYS_EXECVE, c.Str(file), argv, env)
		if i < len(files)-1 {
			attempt.Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES)
		}
	}
}

// splitReaper makes the process that goes on to be the command, as a child of this one, which becomes the reaper. It
// is the second process of the PID namespace, and therefore has the number 2. It goes on when the reaper listens for
// signals, of which it tells by one.
func (c *compiler) splitReaper(p processSpec, env program.Data) {
	pid, child := c.Register("pid"), c.Target()
	signals := func(set uint64) {
		c.Call("set the signal mask", unix.SYS_RT_SIGPROCMASK, program.Imm(unix.SIG_SETMASK), c.Bytes(words(set)), program.Imm(0), program.Imm(8))
	}
	signals(math.MaxUint64)
	c.Call("make the command's process", unix.SYS_CLONE, program.Imm(int(unix.SIGCHLD))).Into(pid)
	c.JumpEqual(pid, 0, child)
	c.Call("become the reaper", unix.SYS_EXECVEAT, p.reaper, c.Str(""), c.Ptrs(append([]string{reaperName, "--"}, p.Args...)), env,
		program.Imm(unix.AT_EMPTY_PATH))
	c.Place(child)
	c.Call("wait for the reaper", unix.SYS_RT_SIGTIMEDWAIT, c.Bytes(words(1<<(uint64(unix.SIGUSR1)-1))), program.Imm(0), program.Imm(0), program.Imm(8)).
		Tolerate(unix.EINTR)
	c.Call("begin a process group", unix.SYS_SETPGID, program.Imm(0), program.Imm(0))
	if p.terminal != none {
		c.Call("take the terminal's foreground", unix.SYS_IOCTL, program.Imm(0), program.Imm(unix.TIOCSPGRP), c.Bytes(words32(2, 0)))
	}
	signals(0)
}

// defaultPath is where a command is searched when the environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// candidates are the files that a command's name can mean: itself if it has a slash in it, else one in each directory of PATH.
func candidates(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	search := defaultPath
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			search = value
		}
	}
	var files []string
	for dir := range strings.SplitSeq(search, ":") {
		if path.IsAbs(dir) { // a relative one would depend on the working directory
			files = append(files, path.Join(dir, name))
		}
	}
	return files
}

// capSets are the five sets of a process.
type capSets struct{ bounding, effective, permitted, inheritable, ambient CapabilitySet }

// capabilities checks the sets of a spec. None given means none.
func (h *Host) capabilities(in *specs.LinuxCapabilities) (capSets, error) {
	if in == nil {
		return capSets{}, nil
	}
	var s capSets
	for _, set := range []struct {
		to   *CapabilitySet
		from []string
	}{
		{&s.bounding, in.Bounding},
		{&s.effective, in.Effective},
		{&s.permitted, in.Permitted},
		{&s.inheritable, in.Inheritable},
		{&s.ambient, in.Ambient},
	} {
		var err error
		if *set.to, err = ParseCapabilities(set.from); err != nil {
			return capSets{}, err
		}
		if missing := *set.to &^ h.Capabilities; missing != 0 {
			return capSets{}, fmt.Errorf("capabilities %s are not the engine's to give: %w",
				strings.Join(missing.Names(), " "), ErrUnsupported)
		}
	}
	return s, nil
}
