package runtime

import (
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// alone lets nothing that is mounted from now on be seen by the host.
func (c *compiler) alone() {
	c.Call("", unix.SYS_UMASK, program.Imm(0)) // until the end: modes are given as they are meant
	c.Call("make the host's mounts private", unix.SYS_MOUNT,
		program.Imm(0), c.Str("/"), program.Imm(0), program.Imm(unix.MS_REC|unix.MS_PRIVATE), program.Imm(0))
}

// cover attaches the root filesystem.
func (c *compiler) cover(root program.Reg) {
	// It covers "/" for a moment, the one directory that is sure to be there.
	c.Call("attach the root filesystem", unix.SYS_MOVE_MOUNT,
		root, c.Str(""), program.Imm(unix.AT_FDCWD), c.Str("/"), program.Imm(unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// pivot makes the root filesystem, which is attached, the process's root, and the host's mounts unreachable.
func (c *compiler) pivot(root program.Reg) {
	c.root = root
	c.Call("enter the root filesystem", unix.SYS_FCHDIR, root)
	// The old root ends up on top of the new one, and is taken off.
	c.Call("pivot_root", unix.SYS_PIVOT_ROOT, c.Str("."), c.Str("."))
	c.Call("let go of the host's mounts", unix.SYS_UMOUNT2, c.Str("."), program.Imm(unix.MNT_DETACH))
}

// directory opens a directory of the container into out, and makes what is missing of it.
func (c *compiler) directory(label, dir string, out program.Reg) {
	const flags = unix.O_PATH | unix.O_DIRECTORY
	missing, done := c.Target(), c.Target()
	c.open(label, dir, flags, inRoot).Into(out).Tolerate(unix.ENOENT).Else(missing)
	c.Jump(done)
	c.Place(missing)
	names := strings.Split(strings.TrimPrefix(dir, "/"), "/")
	c.makeIn(label, c.root, names[0])
	for i, name := range names[1:] {
		c.open(label, strings.Join(names[:i+1], "/"), flags, inRoot).Into(out)
		c.makeIn(label, out, name)
		c.close(out)
	}
	c.open(label, dir, flags, inRoot).Into(out)
	c.Place(done)
}

func (c *compiler) makeIn(label string, parent program.Reg, name string) {
	c.Call(label, unix.SYS_MKDIRAT, parent, c.Str(name), program.Imm(0o755)).Tolerate(unix.EEXIST)
}

// file opens a file of the container as a mount point into out, and makes it and its directory if they are missing.
func (c *compiler) file(label, name string, out program.Reg) {
	missing, done := c.Target(), c.Target()
	c.open(label, name, unix.O_PATH, inRoot).Into(out).Tolerate(unix.ENOENT).Else(missing)
	c.Jump(done)
	c.Place(missing)
	c.directory(label, path.Dir(name), out)
	c.close(out)
	// O_CREAT also makes what a dangling symlink in the image points to: /etc/resolv.conf → ../run/resolv.conf.
	c.openAt(label, c.root, name, unix.OpenHow{
		Flags: unix.O_CREAT | unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC, Mode: 0o644, Resolve: inRoot,
	}).Into(out)
	c.Place(done)
}

// attach puts a detached tree on a mount point that is open, and closes the latter. It returns the step that does.
func (c *compiler) attach(label string, tree, at program.Reg) *program.Step {
	step := c.Call(label, unix.SYS_MOVE_MOUNT, tree, c.Str(""), at, c.Str(""),
		program.Imm(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
	c.close(at)
	return step
}

// mounts adds the mounts of the spec, in its order.
func (c *compiler) mounts(o *opened, in inputRegs) {
	at, tree := c.tmp.at, c.tmp.tree
	if !slices.ContainsFunc(o.mounts, func(m mount) bool { return m.dest == "/dev" }) {
		c.makeDev(mount{dest: "/dev", fstype: "tmpfs", options: mountOptions{
			attrs: attrs{set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_STRICTATIME}, params: []string{"mode=755", "size=65536k"},
		}}, o.Spec.Linux.Devices, at)
	}
	for i, m := range o.mounts {
		label := "mount " + m.dest
		switch {
		case m.fstype == "bind":
			c.bind(label, m, in.mounts[mountKey(i)], at)
		case m.dest == "/dev" && m.fstype == "tmpfs":
			c.makeDev(m, o.Spec.Linux.Devices, at)
		case isCgroupMount(m):
			c.cgroupMount(m, o.hierarchies, in.hierarchies, at)
		case m.fstype == "proc" || m.fstype == "sysfs":
			c.filesystem(m, tree)
			c.exactDirectory(label, m.dest, at)
			c.attach(label, tree, at)
			c.close(tree)
		default:
			c.filesystem(m, tree)
			c.directory(label, m.dest, at)
			c.attach(label, tree, at)
			c.propagate(label, tree, m.options)
			c.close(tree)
		}
	}
}

func (c *compiler) bind(label string, m mount, tree, at program.Reg) {
	if m.dir {
		c.directory(label, m.dest, at)
		c.attach(label, tree, at)
		return
	}
	wrong, done := c.Target(), c.Target()
	c.file(label, m.dest, at)
	c.attach(label, tree, at).Tolerate(unix.EINVAL).Else(wrong) // what the kernel says of a file on a directory
	c.Jump(done)
	c.Place(wrong)
	c.Fail(label, unix.EISDIR)
	c.Place(done)
}

// exactDirectory opens, or makes, a directory in the root that is to be just that, not a symlink to another one: an
// image could else have /proc mounted elsewhere, and put its own files where the kernel's are expected.
func (c *compiler) exactDirectory(label, dir string, out program.Reg) {
	open := func() *program.Step {
		return c.open(label, dir, unix.O_PATH|unix.O_DIRECTORY, inRoot|unix.RESOLVE_NO_SYMLINKS).Into(out)
	}
	missing, done := c.Target(), c.Target()
	open().Tolerate(unix.ENOENT).Else(missing)
	c.Jump(done)
	c.Place(missing)
	c.makeIn(label, c.root, strings.TrimPrefix(dir, "/"))
	open()
	c.Place(done)
}

// filesystem makes a new file system, attached nowhere, into out.
func (c *compiler) filesystem(m mount, out program.Reg) {
	label := "mount " + m.dest
	fs := c.tmp.fs
	c.Call(label, unix.SYS_FSOPEN, c.Str(m.fstype), program.Imm(unix.FSOPEN_CLOEXEC)).Into(fs)
	source := m.source
	if source == "" {
		source = m.fstype
	}
	for _, param := range append([]string{"source=" + source}, m.options.params...) {
		key, value, isString := strings.Cut(param, "=")
		if isString {
			c.Call(label+": option "+param, unix.SYS_FSCONFIG, fs, program.Imm(unix.FSCONFIG_SET_STRING), c.Str(key), c.Str(value), program.Imm(0))
		} else {
			c.Call(label+": option "+param, unix.SYS_FSCONFIG, fs, program.Imm(unix.FSCONFIG_SET_FLAG), c.Str(key), program.Imm(0), program.Imm(0))
		}
	}
	c.Call(label, unix.SYS_FSCONFIG, fs, program.Imm(unix.FSCONFIG_CMD_CREATE), program.Imm(0), program.Imm(0), program.Imm(0))
	both := m.options.attrs
	both.add(m.options.deep)
	c.Call(label, unix.SYS_FSMOUNT, fs, program.Imm(unix.FSMOUNT_CLOEXEC), program.Imm(both.set)).Into(out)
	c.close(fs)
}

func (c *compiler) propagate(label string, tree program.Reg, m mountOptions) {
	if m.propagation == 0 {
		return
	}
	depth := unix.AT_RECURSIVE
	if m.alone {
		depth = 0
	}
	c.setAttr(label, tree, unix.MountAttr{Propagation: m.propagation}, depth)
}

func (c *compiler) setAttr(label string, tree program.Reg, a unix.MountAttr, flags int) {
	c.Call(label, unix.SYS_MOUNT_SETATTR, tree, c.Str(""), program.Imm(unix.AT_EMPTY_PATH|flags),
		c.Bytes(words(a.Attr_set, a.Attr_clr, a.Propagation, a.Userns_fd)), program.Imm(unix.MOUNT_ATTR_SIZE_VER0))
}

// cgroupMount attaches the container's own cgroup directories; on v1 in a tmpfs with a directory for each hierarchy.
func (c *compiler) cgroupMount(m mount, list []hierarchy, trees []program.Reg, at program.Reg) {
	label := "mount " + m.dest
	if len(list) == 1 && list[0].name == "" {
		c.directory(label, m.dest, at)
		c.attach(label, trees[0], at)
		return
	}
	tmp := c.Register("cgroups")
	c.filesystem(mount{dest: m.dest, fstype: "tmpfs", source: "cgroup", options: mountOptions{
		attrs:  attrs{set: m.options.attrs.set &^ unix.MOUNT_ATTR_RDONLY},
		params: []string{"mode=755"},
	}}, tmp)
	for _, h := range list {
		c.Call(label, unix.SYS_MKDIRAT, tmp, c.Str(h.name), program.Imm(0o755))
		for _, alias := range h.aliases {
			c.Call(label, unix.SYS_SYMLINKAT, c.Str(h.name), tmp, c.Str(alias))
		}
	}
	c.directory(label, m.dest, at)
	c.attach(label, tmp, at)
	for i, h := range list {
		// Whatever is called like the hierarchy in there we have made ourselves.
		c.Call(label+"/"+h.name, unix.SYS_MOVE_MOUNT, trees[i], c.Str(""), tmp, c.Str(h.name), program.Imm(unix.MOVE_MOUNT_F_EMPTY_PATH))
	}
	if ro := m.options.attrs.set & unix.MOUNT_ATTR_RDONLY; ro != 0 {
		c.setAttr(label, tmp, unix.MountAttr{Attr_set: ro}, 0)
	}
	c.close(tmp)
}

// readonlyPaths makes what is there of the paths read-only, with all mounts below.
func (c *compiler) readonlyPaths(paths []string) {
	at, tree := c.tmp.at, c.tmp.tree
	for _, p := range paths {
		label, missing := "make "+p+" read-only", c.Target()
		c.open(label, cleanPath(p), unix.O_PATH, inRoot).Into(at).Tolerate(unix.ENOENT, unix.ENOTDIR).Else(missing)
		c.Call(label, unix.SYS_OPEN_TREE, at, c.Str(""),
			program.Imm(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)).Into(tree)
		c.setAttr(label, tree, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}, unix.AT_RECURSIVE)
		c.attach(label, tree, at)
		c.close(tree)
		c.Place(missing)
	}
}

// maskedPaths covers what is there of the paths: directories with an empty one, all else with /dev/null.
func (c *compiler) maskedPaths(paths []string) {
	if len(paths) == 0 {
		return
	}
	empty := c.emptyDirectory()
	null := c.verifiedNull()
	at, tree := c.tmp.at, c.tmp.tree
	for _, p := range paths {
		label := "mask " + p
		file, first, done := c.Target(), c.Target(), c.Target()
		c.open(label, cleanPath(p), unix.O_PATH|unix.O_DIRECTORY, inRoot).Into(at).Tolerate(unix.ENOENT, unix.ENOTDIR).Else(file)
		c.clone(label, empty, tree).Tolerate(unix.EINVAL).Else(first)
		c.attach(label, tree, at)
		c.close(tree)
		c.Jump(done)
		// Before Linux 6.15 what is attached nowhere cannot be cloned, so there the first directory gets the original.
		c.Place(first)
		c.attach(label, empty, at)
		c.Jump(done)
		c.Place(file)
		c.open(label, cleanPath(p), unix.O_PATH, inRoot).Into(at).Tolerate(unix.ENOENT, unix.ENOTDIR).Else(done)
		c.clone(label, null, tree)
		c.attach(label, tree, at)
		c.close(tree)
		c.Place(done)
	}
}

func (c *compiler) clone(label string, tree, out program.Reg) *program.Step {
	return c.Call(label, unix.SYS_OPEN_TREE, tree, c.Str(""),
		program.Imm(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)).Into(out)
}

// emptyDirectory is one file system for all masked directories, which holds nothing and takes nothing.
func (c *compiler) emptyDirectory() program.Reg {
	empty := c.Register("empty")
	c.filesystem(mount{dest: "masks", fstype: "tmpfs", options: mountOptions{
		attrs: attrs{set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC},
		// One block and two inodes: one of them is the root's.
		params: []string{"nr_blocks=1", "nr_inodes=2", "mode=755"},
	}}, empty)
	return empty
}

// closeRoot does what would be in the way of the mounts: it makes the root read-only and sets its propagation.
func (c *compiler) closeRoot(s *specs.Spec) {
	if name, deep := strings.CutPrefix(s.Linux.RootfsPropagation, "r"); name != "" {
		c.propagate("set the root's propagation", c.root, mountOptions{propagation: propagationOption(name), alone: !deep})
	}
	if s.Root != nil && s.Root.Readonly {
		c.setAttr("make the root read-only", c.root, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}, 0)
	}
}
