package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// maxDepth bounds how deep folders lie in each other: each costs a descriptor while it is read.
const maxDepth = 512

// PackOptions say what of a tree is packed, and how.
type PackOptions struct {
	// Name is what the stream calls it; "." leaves out the name of a folder.
	Name string
	// Follow takes what a link leads to for the link, at the path itself only.
	Follow bool
}

// Pack writes what is at a path below root as a tar stream. Sockets are left out, and what kernel file
// systems (proc, sysfs, cgroups) show: they are no files. What goes away while it is read is left out, too.
func Pack(ctx context.Context, w io.Writer, root *os.File, name string, o PackOptions) error {
	flags := uint64(unix.O_NOFOLLOW)
	if o.Follow {
		flags = 0
	}
	at, err := openAt(root, path.Clean("/"+name), flags)
	if err != nil {
		return problem(name, err)
	}
	defer at.Close() //nolint:errcheck // O_PATH
	p := packer{ctx: ctx, tar: tar.NewWriter(w), o: o, links: map[inode]string{}}
	if err := p.start(at, o.Name); err != nil {
		return err
	}
	return p.tar.Close()
}

type inode struct{ dev, ino uint64 }

type packer struct {
	ctx   context.Context //nolint:containedctx // one walk
	tar   *tar.Writer
	o     PackOptions
	links map[inode]string // the first name of a file with several
	depth int
}

// start packs what at is.
func (p *packer) start(at *os.File, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(at.Fd()), &st); err != nil {
		return problem(name, err)
	}
	if isKernels(at) {
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s: the kernel shows it, it is no file to be copied", name))
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return p.folder(at, ".", name, &st)
	case unix.S_IFREG:
		// The descriptor is of the file that was looked up, so its name cannot be another's by now.
		return p.file(func() (*os.File, error) {
			return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", at.Fd()), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		}, name, &st)
	case unix.S_IFLNK:
		return p.link(at, "", name, &st)
	case unix.S_IFSOCK:
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s: a socket cannot be copied", name))
	default:
		return p.header(&tar.Header{Typeflag: kindOf(&st)}, name, &st)
	}
}

// entry packs a name in a folder.
func (p *packer) entry(dir *os.File, base, name string) error {
	if err := p.ctx.Err(); err != nil {
		return context.Cause(p.ctx)
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return problem(name, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return nil
	case unix.S_IFDIR:
		return p.folder(dir, base, name, &st)
	case unix.S_IFREG:
		return p.file(func() (*os.File, error) {
			return openat(dir, base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		}, name, &st)
	case unix.S_IFLNK:
		return p.link(dir, base, name, &st)
	default:
		return p.header(&tar.Header{Typeflag: kindOf(&st)}, name, &st)
	}
}

func kindOf(st *unix.Stat_t) byte {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return tar.TypeFifo
	case unix.S_IFBLK:
		return tar.TypeBlock
	default:
		return tar.TypeChar
	}
}

func (p *packer) folder(dir *os.File, base, name string, st *unix.Stat_t) error {
	if p.depth++; p.depth > maxDepth {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: folders lie more than %d deep", printable(name), maxDepth))
	}
	defer func() { p.depth-- }()
	f, err := openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil // it was another a moment ago
	}
	if err != nil {
		return problem(name, err)
	}
	defer f.Close() //nolint:errcheck // only read
	if err := p.header(&tar.Header{Typeflag: tar.TypeDir}, name+"/", st); err != nil {
		return err
	}
	if isKernels(f) {
		return nil
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return problem(name, err)
	}
	slices.Sort(names)
	for _, n := range names {
		if err := p.entry(f, n, path.Join(name, n)); err != nil {
			return err
		}
	}
	return nil
}

// openat opens an entry of a folder, never what a link leads to.
func openat(dir *os.File, base string, flags int, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), base), nil
}

func attribute(f *os.File, name string) (string, bool) {
	buf := make([]byte, 256)
	n, err := unix.Fgetxattr(int(f.Fd()), name, buf)
	if err != nil {
		return "", false
	}
	return string(buf[:n]), true
}

func (p *packer) file(open func() (*os.File, error), name string, st *unix.Stat_t) error {
	h := &tar.Header{Typeflag: tar.TypeReg}
	if st.Nlink > 1 {
		id := inode{st.Dev, st.Ino}
		if first, ok := p.links[id]; ok {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return p.header(h, name, st)
		}
		p.links[id] = name
	}
	f, err := open()
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) {
		return nil // it was another a moment ago
	}
	if err != nil {
		return problem(name, err)
	}
	defer f.Close() //nolint:errcheck // only read
	var now unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &now); err != nil {
		return problem(name, err)
	}
	if now.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // as above: never wait for a pipe
	}
	if caps, ok := attribute(f, xattrCapability); ok {
		h.PAXRecords = map[string]string{paxXattr + xattrCapability: caps}
	}
	h.Size = now.Size
	if err := p.header(h, name, &now); err != nil {
		return err
	}
	n, err := io.Copy(p.tar, io.LimitReader(&interruptible{p.ctx, f}, now.Size))
	if err == nil && n < now.Size {
		err = engine.Problem(engine.ErrConflict, errors.New("it became shorter while it was read"))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", printable(name), err)
	}
	return nil
}

// xattrCapability is the one attribute that goes along, as with docker: what a program may do.
const (
	xattrCapability = "security.capability"
	paxXattr        = "SCHILY.xattr."
)

// interruptible ends with its context.
type interruptible struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to know
	r   io.Reader
}

func (i *interruptible) Read(b []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(b)
}

func (p *packer) link(dir *os.File, base, name string, st *unix.Stat_t) error {
	target, err := readLink(dir, base)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
		return nil // it was another a moment ago
	}
	if err != nil {
		return problem(name, err)
	}
	return p.header(&tar.Header{Typeflag: tar.TypeSymlink, Linkname: target}, name, st)
}

// header writes what is said of all kinds of files.
func (p *packer) header(h *tar.Header, name string, st *unix.Stat_t) error {
	h.Name, h.Mode = name, int64(st.Mode&0o7777)
	h.Uid, h.Gid = int(st.Uid), int(st.Gid)
	h.ModTime = time.Unix(st.Mtim.Unix())
	h.Format = tar.FormatPAX // fractions of seconds
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	if strings.ContainsRune(name+h.Linkname, 0) {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no name of a file", name))
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", printable(name), err)
	}
	return nil
}

// isKernels tells file systems that show what the kernel knows: their files have no size, or no end.
func isKernels(f *os.File) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &fs) != nil {
		return false
	}
	const mqueue = 0x19800202
	return slices.Contains([]int64{
		unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC,
		unix.BPF_FS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC, unix.EFIVARFS_MAGIC, mqueue,
	}, fs.Type)
}
