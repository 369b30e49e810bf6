package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Layer is what a container has changed in the files of its image, as overlayfs keeps it.
type Layer struct {
	// Upper is the folder of the changes; nil: there are none.
	Upper *os.File
	// View is what the container sees, and Base the files of the image alone.
	View, Base *os.File
	// MountPoints are where something is mounted while the container runs. Those that its image lacks were made for
	// that, and are no change of the container's.
	MountPoints []string
}

// In an OCI layer, names that begin with the first say that something of the layers below is gone; the second that
// nothing of a folder is left. See the image spec, layer.md.
const (
	whiteoutPrefix = ".wh."
	opaqueMark     = whiteoutPrefix + whiteoutPrefix + ".opq"
)

// PackLayer writes a layer as a tar stream of the OCI image spec. Contents are read from the view: with metacopy the
// upper folder has but the attributes of a file, and with redirect_dir but the name of a folder.
//
// Errors: engine.ErrUnsupported for what no layer can have.
func PackLayer(ctx context.Context, w io.Writer, l *Layer) error {
	to := tar.NewWriter(w)
	if l.Upper == nil {
		return to.Close()
	}
	stubs, err := l.stubs()
	if err != nil {
		return err
	}
	p := layerPacker{packer: packer{ctx: ctx, tar: to, links: map[inode]string{}}, stubs: stubs}
	if err := p.folder(&place{l.Upper, l.View, l.Base}, ""); err != nil {
		return err
	}
	return to.Close()
}

// layerPacker packs changes. A folder is written when something in it is, or when it was itself changed.
type layerPacker struct {
	packer
	// stubs are the mount points, and the folders above them.
	stubs map[string]bool
	// above are the folders from the root to where the walk is.
	above []*changed
	begun bool
}

// changed is a folder in the upper layer.
type changed struct {
	name    string
	st      unix.Stat_t
	written bool
	// stubbed says that something in it was left out, so that its time is not the container's doing.
	stubbed bool
}

// place is one folder in the three trees; base is nil when the image has none there, or none of it shows.
type place struct{ upper, view, base *os.File }

// stubs are the mount points and the folders above them, where the links of the container lead to.
func (l *Layer) stubs() (map[string]bool, error) {
	out := map[string]bool{}
	for _, m := range l.MountPoints {
		if err := expect(out, l.View, m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// expect notes a mount point.
func expect(stubs map[string]bool, view *os.File, target string) error {
	f, err := openAt(view, target, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil // replaced since
	}
	if err != nil {
		return problem(target, err)
	}
	defer f.Close() //nolint:errcheck // O_PATH
	root, err := pathOf(view)
	if err != nil {
		return err
	}
	at, err := pathOf(f)
	if err != nil {
		return err
	}
	for at = strings.TrimPrefix(strings.TrimPrefix(at, root), "/"); at != "" && at != "."; at = path.Dir(at) {
		stubs[at] = true
	}
	return nil
}

// pathOf is where the kernel says that a descriptor is; in a mount that is attached nowhere, from its root on.
func pathOf(f *os.File) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}

// folder packs the changes in a folder.
func (p *layerPacker) folder(at *place, name string) error {
	names, err := at.upper.Readdirnames(-1)
	if err != nil {
		return problem(name, err)
	}
	slices.Sort(names)
	for _, n := range names {
		if err := p.change(at, n, path.Join(name, n)); err != nil {
			return err
		}
	}
	return nil
}

// change packs one name of the upper layer.
func (p *layerPacker) change(at *place, base, name string) error {
	if err := p.ctx.Err(); err != nil {
		return context.Cause(p.ctx)
	}
	st, err := statAt(at.upper, base)
	if st == nil || err != nil {
		return problem(name, err)
	}
	was, err := statAt(at.base, base)
	if err != nil {
		return problem(name, err)
	}
	kind := st.Mode & unix.S_IFMT
	switch {
	case kind == unix.S_IFCHR && st.Rdev == 0:
		if was == nil {
			return nil
		}
		return p.mark(path.Join(path.Dir(name), whiteoutPrefix+base))
	case strings.HasPrefix(base, whiteoutPrefix):
		err := fmt.Errorf("%s: layers of images say with such names that a file is gone, and cannot have one", printable("/"+name))
		return engine.Hint(engine.Problem(engine.ErrUnsupported, err), "rename it in the container")
	case st.Uid > math.MaxInt32 || st.Gid > math.MaxInt32:
		err := fmt.Errorf("%s belongs to %d:%d, and images have no such users", printable("/"+name), st.Uid, st.Gid)
		return engine.Hint(engine.Problem(engine.ErrUnsupported, err), "give it another owner in the container")
	case kind == unix.S_IFSOCK:
		return nil
	case kind == unix.S_IFDIR:
		return p.subfolder(at, base, name, st, was)
	case was == nil && kind == unix.S_IFREG && st.Size == 0 && p.stubs[name]:
		p.leaveOut()
		return nil
	default:
		return p.leaf(at, base, name, st)
	}
}

// leaf packs what is no folder.
func (p *layerPacker) leaf(at *place, base, name string, st *unix.Stat_t) error {
	if err := p.begin(name); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return p.file(func() (*os.File, error) {
			return openat(at.view, base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		}, name, st)
	case unix.S_IFLNK:
		return p.link(at.upper, base, name, st)
	default:
		return p.header(&tar.Header{Typeflag: kindOf(st)}, name, st)
	}
}

// statAt is what is at a name; nil for nothing.
func statAt(dir *os.File, base string) (*unix.Stat_t, error) {
	if dir == nil {
		return nil, nil //nolint:nilnil // nothing is in no folder
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil //nolint:nilnil // see above
	}
	return &st, err
}

// subfolder packs a folder of the upper layer; was is what the image has there.
func (p *layerPacker) subfolder(at *place, base, name string, st, was *unix.Stat_t) error {
	if len(p.above) >= maxDepth {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: folders lie more than %d deep", printable(name), maxDepth))
	}
	in, hides, err := at.enter(base, was)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil // it was another a moment ago
	}
	if err != nil {
		return problem(name, err)
	}
	defer in.close()
	f := &changed{name: name, st: *st}
	p.above = append(p.above, f)
	if hides || was != nil && !sameAttributes(st, was) || was == nil && !p.stubs[name] {
		err = p.begin(name)
	}
	if err == nil && hides {
		err = p.mark(path.Join(name, opaqueMark))
	}
	if err == nil {
		err = p.folder(in, name)
	}
	if err == nil && !f.written && was != nil && !f.stubbed && st.Mtim != was.Mtim {
		err = p.begin(name)
	}
	p.above = p.above[:len(p.above)-1]
	if !f.written && was == nil {
		p.leaveOut()
	}
	return err
}

// sameAttributes says that a folder's kind, mode and owner are what they were.
func sameAttributes(a, b *unix.Stat_t) bool {
	return a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid
}

// What overlayfs says of a folder in its upper layer: nothing of those below shows, or what shows is another's.
const (
	xattrOpaque   = "trusted.overlay.opaque"
	xattrRedirect = "trusted.overlay.redirect"
)

// enter opens a folder in the three trees; was is what the image has at its name. It says whether the folder hides a
// folder of the image.
func (at *place) enter(base string, was *unix.Stat_t) (in *place, hides bool, err error) {
	in = &place{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if in.upper, err = openat(at.upper, base, unix.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
		return in, false, err
	}
	if in.view, err = openat(at.view, base, unix.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
		return in, false, err
	}
	opaque, _ := attribute(in.upper, xattrOpaque)
	_, none := unix.Fgetxattr(int(in.upper.Fd()), xattrRedirect, nil)
	moved := none == nil
	if moved {
		// Much of it is in a folder below of another name: only the view shows all.
		if err := in.upper.Close(); err != nil {
			return in, false, err
		}
		if in.upper, err = openat(at.view, base, unix.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
			return in, false, err
		}
	}
	wasFolder := was != nil && was.Mode&unix.S_IFMT == unix.S_IFDIR
	hidden := opaque == "y" || moved
	if wasFolder && !hidden {
		in.base, err = openat(at.base, base, unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	return in, wasFolder && hidden, err
}

func (at *place) close() {
	for _, f := range []*os.File{at.upper, at.view, at.base} {
		if f != nil {
			_ = f.Close() // only read
		}
	}
}

// leaveOut notes that something in the folder where the walk is was made by the start.
func (p *layerPacker) leaveOut() {
	if n := len(p.above); n > 0 {
		p.above[n-1].stubbed = true
	}
}

// mark writes that something of the image is gone.
func (p *layerPacker) mark(name string) error {
	if err := p.begin(name); err != nil {
		return err
	}
	return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, ModTime: time.Unix(0, 0), Format: tar.FormatPAX})
}

// begin comes before an entry is written: it writes the folders that it is in, or is.
func (p *layerPacker) begin(name string) error {
	if !p.begun {
		p.begun = true
		if len(p.above) > 0 {
			name = p.above[0].name
		}
		if err := p.disarm(name); err != nil {
			return err
		}
	}
	for _, f := range p.above {
		if f.written {
			continue
		}
		f.written = true
		if err := p.header(&tar.Header{Typeflag: tar.TypeDir}, f.name+"/", &f.st); err != nil {
			return err
		}
	}
	return nil
}

// disarm sees to it that a layer is taken for what it is, whatever the container has called its files: who reads it
// finds out by its first bytes whether it is compressed, and they are the first entry's name.
func (p *layerPacker) disarm(first string) error {
	if c := first[0]; c == '.' || c >= 'a' && c <= 'z' {
		return nil
	}
	return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "layer"}})
}
