package runtime

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// makeWorkdir makes the working directory if it is missing, while the process may still make one anywhere.
func (c *compiler) makeWorkdir(dir string) {
	if cleanPath(dir) == "/" {
		return
	}
	c.directory("working directory "+dir, cleanPath(dir), c.tmp.at)
	c.close(c.tmp.at)
}

// makeDev makes the container's /dev: a file system of its own, filled while nobody else can reach it.
func (c *compiler) makeDev(m mount, devices []specs.LinuxDevice, at program.Reg) {
	c.dev, c.ownDev = c.Register("dev"), true
	c.filesystem(m, c.dev)
	made := map[string]bool{}
	for _, d := range allDevices(devices) {
		name, inDev := strings.CutPrefix(cleanPath(d.Path), "/dev/")
		if !inDev {
			continue
		}
		for _, dir := range parents(name) {
			if !made[dir] {
				c.Call("make /dev/"+dir, unix.SYS_MKDIRAT, c.dev, c.Str(dir), program.Imm(0o755))
				made[dir] = true
			}
		}
		c.node(d, c.dev, name)
	}
	links := []struct{ name, to string }{
		{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"},
		{"ptmx", "pts/ptmx"},
		{"core", "/proc/kcore"},
	}
	for _, l := range links {
		if l.name != "core" || c.host.Kcore {
			c.Call("link /dev/"+l.name, unix.SYS_SYMLINKAT, c.Str(l.to), c.dev, c.Str(l.name)).Tolerate(unix.EEXIST)
		}
	}
	c.exactDirectory("mount /dev", m.dest, at)
	c.attach("mount /dev", c.dev, at)
}

// allDevices are the default ones, and those of the spec, which win.
func allDevices(spec []specs.LinuxDevice) []specs.LinuxDevice {
	all := slices.DeleteFunc(defaultDevices(), func(d specs.LinuxDevice) bool {
		return slices.ContainsFunc(spec, func(s specs.LinuxDevice) bool { return cleanPath(s.Path) == d.Path })
	})
	return append(all, spec...)
}

// parents are the directories above name, the topmost first: net, net/vfio for net/vfio/0.
func parents(name string) []string {
	var dirs []string
	for i, r := range name {
		if r == '/' {
			dirs = append(dirs, name[:i])
		}
	}
	return dirs
}

func (c *compiler) node(d specs.LinuxDevice, dir program.Reg, name string) *program.Step {
	label := "make device " + d.Path
	mode := uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(d.FileMode.Perm())
	}
	step := c.Call(label, unix.SYS_MKNODAT, dir, c.Str(name), program.Imm(mode|deviceType(d.Type)),
		program.Imm(unix.Mkdev(uint32(d.Major), uint32(d.Minor))))
	if deref(d.UID) != 0 || deref(d.GID) != 0 {
		c.Call(label, unix.SYS_FCHOWNAT, dir, c.Str(name), program.Imm(deref(d.UID)), program.Imm(deref(d.GID)),
			program.Imm(unix.AT_SYMLINK_NOFOLLOW))
	}
	return step
}

func deviceType(t string) uint32 {
	switch t {
	case "b":
		return unix.S_IFBLK
	case "p":
		return unix.S_IFIFO
	default:
		return unix.S_IFCHR
	}
}

// devices makes the nodes of the spec that are not in /dev. They stay in the writable layer, so they may be there
// already when the container is started again.
func (c *compiler) devices(devices []specs.LinuxDevice) {
	for _, d := range devices {
		name := cleanPath(d.Path)
		if strings.HasPrefix(name, "/dev/") {
			continue
		}
		c.directory("make device "+d.Path, path.Dir(name), c.tmp.at)
		c.node(d, c.tmp.at, path.Base(name)).Tolerate(unix.EEXIST)
		c.close(c.tmp.at)
	}
}

// verifiedNull opens a clone of a /dev/null that is sure to be one: ours, or one whose numbers and mode are right. An image
// or a volume could else have masks made of any file.
func (c *compiler) verifiedNull() program.Reg {
	null := c.Register("null")
	if c.ownDev {
		c.Call("open /dev/null", unix.SYS_OPEN_TREE, c.dev, c.Str("null"), program.Imm(unix.OPEN_TREE_CLOEXEC)).Into(null)
		return null
	}
	c.open("open /dev/null", "/dev/null", unix.O_PATH|unix.O_NOFOLLOW, inRoot).Into(null)
	st, field, wrong, right := c.Scratch(int(unsafe.Sizeof(unix.Statx_t{}))), c.Register("field"), c.Target(), c.Target()
	c.Call("stat /dev/null", unix.SYS_STATX, null, c.Str(""), program.Imm(unix.AT_EMPTY_PATH),
		program.Imm(unix.STATX_TYPE|unix.STATX_MODE), st)
	for _, f := range []struct {
		offset uintptr
		want   int64
	}{
		// The mode is 16 bits, and the 16 behind it are zero.
		{unsafe.Offsetof(unix.Statx_t{}.Mode), unix.S_IFCHR | 0o666},
		{unsafe.Offsetof(unix.Statx_t{}.Rdev_major), 1},
		{unsafe.Offsetof(unix.Statx_t{}.Rdev_minor), 3},
	} {
		c.Load32(field, st+program.Data(f.offset))
		c.JumpUnequal(field, f.want, wrong)
	}
	c.Jump(right)
	c.Place(wrong)
	c.Fail("use /dev/null for masks", unix.EPERM)
	c.Place(right)
	return null
}

// consoleNode makes the terminal the container's /dev/console.
func (c *compiler) consoleNode(terminal program.Reg) {
	if terminal == none {
		return
	}
	at, tree := c.tmp.at, c.tmp.tree
	c.clone("mount /dev/console", terminal, tree)
	c.file("mount /dev/console", "/dev/console", at)
	c.attach("mount /dev/console", tree, at)
	c.close(tree)
}

// terminal makes a terminal in the container's own devpts, sends its master over the socket, and returns its slave.
func (c *compiler) terminal(p *specs.Process, socket program.Reg) program.Reg {
	if !p.Terminal || socket == none {
		return none
	}
	master, slave := c.Register("master"), c.Register("terminal")
	c.open("open /dev/pts/ptmx", "/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY, inRoot|unix.RESOLVE_NO_SYMLINKS).Into(master)
	c.Call("unlock the terminal", unix.SYS_IOCTL, master, program.Imm(unix.TIOCSPTLCK), c.Scratch(8))
	c.Call("open the terminal", unix.SYS_IOCTL, master, program.Imm(unix.TIOCGPTPEER),
		program.Imm(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)).Into(slave)
	if size := p.ConsoleSize; size != nil {
		raw := binary.LittleEndian.AppendUint16(nil, uint16(min(size.Height, 0xFFFF)))
		raw = binary.LittleEndian.AppendUint16(raw, uint16(min(size.Width, 0xFFFF)))
		c.Call("set the terminal's size", unix.SYS_IOCTL, slave, program.Imm(unix.TIOCSWINSZ), c.Bytes(append(raw, 0, 0, 0, 0)))
	}
	c.SendDescriptor("send the terminal", socket, master)
	c.close(master)
	return slave
}
