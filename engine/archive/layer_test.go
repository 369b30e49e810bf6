package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// stacked are an upper folder, the image below it, and what both show, on a real overlayfs.
type stacked struct{ upper, base, view string }

// stack mounts the image's files, and lets change work in what a container would see.
func stack(t *testing.T, image, change func(dir string), options ...string) *Layer {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("overlayfs needs root")
	}
	dir, err := os.MkdirTemp("", "layer") //nolint:usetesting // t.TempDir's has the test's name, and commas part options
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := stacked{filepath.Join(dir, "upper"), filepath.Join(dir, "base"), filepath.Join(dir, "view")}
	work := filepath.Join(dir, "work")
	for _, d := range []string{s.upper, s.base, s.view, work} {
		must(t, os.Mkdir(d, 0o755))
	}
	image(s.base)
	data := strings.Join(append([]string{"lowerdir=" + s.base, "upperdir=" + s.upper, "workdir=" + work}, options...), ",")
	must(t, unix.Mount("overlay", s.view, "overlay", 0, data))
	t.Cleanup(func() { _ = unix.Unmount(s.view, unix.MNT_DETACH) })
	change(s.view)
	upper, err := os.Open(s.upper)
	must(t, err)
	t.Cleanup(func() { _ = upper.Close() })
	return &Layer{Upper: upper, View: rootOf(t, s.view), Base: rootOf(t, s.base)}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// in writes files: "a/b" with a content, "a/" a folder.
func in(t *testing.T, names ...string) func(string) {
	t.Helper()
	return func(dir string) {
		for _, n := range names {
			must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(n)), 0o755))
			if !strings.HasSuffix(n, "/") {
				must(t, os.WriteFile(filepath.Join(dir, n), []byte("content of "+n), 0o644))
			}
		}
	}
}

// entriesOf lists a layer as text, in its order.
func entriesOf(t *testing.T, l *Layer) []string {
	t.Helper()
	var b bytes.Buffer
	must(t, PackLayer(t.Context(), &b, l))
	var out []string
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		must(t, err)
		content, err := io.ReadAll(r)
		must(t, err)
		line := h.Name
		switch h.Typeflag {
		case tar.TypeReg:
			if len(content) > 0 {
				line += " = " + string(content)
			}
		case tar.TypeLink, tar.TypeSymlink:
			line += fmt.Sprintf(" %c> %s", h.Typeflag, h.Linkname)
		case tar.TypeDir:
			line += fmt.Sprintf(" %o %d:%d", h.Mode, h.Uid, h.Gid)
		case tar.TypeXGlobalHeader:
			line = "global header"
		default:
			line += fmt.Sprintf(" type %c", h.Typeflag)
		}
		if caps := h.PAXRecords[paxXattr+xattrCapability]; caps != "" {
			line += " with capabilities"
		}
		out = append(out, line)
	}
}

func TestLayer(t *testing.T) {
	t.Parallel()
	image := in(t, "dir/a", "dir/b", "dir/sub/c", "file", "other", "was-dir/x", "was-file", "linked")
	// cap_net_bind_service=ep, as setcap(8) writes it.
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for name, c := range map[string]struct {
		change  func(dir string)
		options []string
		want    []string
	}{
		"nothing": {func(string) {}, nil, nil},
		"a file deleted": {func(d string) { must(t, os.Remove(d+"/dir/a")) }, nil, []string{
			"dir/ 755 0:0", "dir/.wh.a",
		}},
		"a folder deleted": {func(d string) { must(t, os.RemoveAll(d+"/dir")) }, nil, []string{".wh.dir"}},
		"made and deleted": {func(d string) { in(t, "tmp")(d); must(t, os.Remove(d+"/tmp")) }, nil, nil},
		"a folder made again": {func(d string) { must(t, os.RemoveAll(d+"/dir")); in(t, "dir/new")(d) }, nil, []string{
			"dir/ 755 0:0", "dir/.wh..wh..opq", "dir/new = content of dir/new",
		}},
		"a folder made again, and a folder of the same name in it": {
			func(d string) {
				must(t, os.RemoveAll(d+"/dir"))
				in(t, "dir/sub/new")(d)
				must(t, os.Remove(d+"/dir/sub/new"))
			}, nil,
			[]string{"dir/ 755 0:0", "dir/.wh..wh..opq", "dir/sub/ 755 0:0"},
		},
		"a file for a folder, a folder for a file": {
			func(d string) {
				must(t, os.RemoveAll(d+"/was-dir"), os.Remove(d+"/was-file"))
				in(t, "was-dir", "was-file/in")(d)
			}, nil,
			[]string{"was-dir = content of was-dir", "was-file/ 755 0:0", "was-file/in = content of was-file/in"},
		},
		"the mode of a folder, the owner of one": {func(d string) {
			must(t, unix.Chmod(d+"/dir/sub", 0o1700), os.Chown(d+"/was-dir", 12, 34))
		}, nil, []string{"dir/ 755 0:0", "dir/sub/ 1700 0:0", "was-dir/ 755 12:34"}},
		"the mode of a file": {func(d string) { must(t, os.Chmod(d+"/dir/sub/c", 0o600)) }, nil, []string{
			"dir/ 755 0:0", "dir/sub/ 755 0:0", "dir/sub/c = content of dir/sub/c",
		}},
		"links": {func(d string) {
			in(t, "h1")(d)
			must(t, os.Link(d+"/h1", d+"/dir/h2"), os.Symlink("/etc/passwd", d+"/s"), os.Link(d+"/s", d+"/s2"))
		}, nil, []string{"dir/ 755 0:0", "dir/h2 = content of h1", "h1 1> dir/h2", "s 2> /etc/passwd", "s2 2> /etc/passwd"}},
		"a hard link to a file of the image": {func(d string) { must(t, os.Link(d+"/linked", d+"/more")) }, nil, []string{
			"linked = content of linked", "more 1> linked",
		}},
		"capabilities": {func(d string) {
			must(t, unix.Setxattr(d+"/file", xattrCapability, []byte(capability), 0), unix.Setxattr(d+"/file", "user.mine", []byte("x"), 0))
		}, nil, []string{"file = content of file with capabilities"}},
		"a pipe, a device, a socket": {func(d string) {
			must(t, unix.Mkfifo(d+"/pipe", 0o600), unix.Mknod(d+"/null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))), unix.Mknod(d+"/sock", unix.S_IFSOCK|0o600, 0))
		}, nil, []string{"null type 3", "pipe type 6"}},
		"a folder moved": {func(d string) { must(t, os.Rename(d+"/dir", d+"/moved")) }, []string{"redirect_dir=on"}, []string{
			".wh.dir", "moved/ 755 0:0", "moved/a = content of dir/a", "moved/b = content of dir/b", "moved/sub/ 755 0:0", "moved/sub/c = content of dir/sub/c",
		}},
		"a folder moved over one of the image": {func(d string) {
			must(t, os.RemoveAll(d+"/was-dir"), os.Rename(d+"/dir", d+"/was-dir"), os.Remove(d+"/was-dir/a"))
		}, []string{"redirect_dir=on"}, []string{
			".wh.dir", "was-dir/ 755 0:0", "was-dir/.wh..wh..opq", "was-dir/b = content of dir/b", "was-dir/sub/ 755 0:0", "was-dir/sub/c = content of dir/sub/c",
		}},
		"attributes without content": {func(d string) { must(t, os.Chmod(d+"/file", 0o600)) }, []string{"metacopy=on"}, []string{"file = content of file"}},
		"names that look like a compressed stream": {func(d string) { in(t, "\x1f\x8b\x08")(d) }, nil, []string{
			"global header", "\x1f\x8b\x08 = content of \x1f\x8b\x08",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, entriesOf(t, stack(t, image, c.change, c.options...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Mount points that a start made are no change, unless something is in them; those of the image stay.
func TestLayerHasNoMountPoints(t *testing.T) {
	t.Parallel()
	image := func(d string) {
		in(t, "etc/passwd", "data/", "run/")(d)
		must(t, os.MkdirAll(d+"/var", 0o755), os.Symlink("../run", d+"/var/run"))
	}
	l := stack(t, image, func(d string) {
		in(t, "proc/", "sys/", "vol/deep/er/", "run/secrets/", "data/new", "mine/", "full/in", "used/vol/")(d)
		must(t, os.WriteFile(d+"/etc/hosts", nil, 0o644), os.WriteFile(d+"/etc/resolv.conf", []byte("own"), 0o644),
			os.WriteFile(d+"/run/secrets/s", nil, 0o400), os.WriteFile(d+"/used/x", nil, 0o644))
	})
	l.MountPoints = []string{
		"/proc", "/sys/", "/etc/hosts", "/etc/resolv.conf", "/vol/deep/er", "/var/run/secrets/s", "/data", "/full", "/used/vol", "/not/there", "/etc/passwd/x",
	}
	want := []string{
		"data/ 755 0:0", "data/new = content of data/new",
		"etc/ 755 0:0", "etc/resolv.conf = own",
		"full/ 755 0:0", "full/in = content of full/in",
		"mine/ 755 0:0",
		"used/ 755 0:0", "used/x",
	}
	if diff := cmp.Diff(want, entriesOf(t, l)); diff != "" {
		t.Error(diff)
	}
}

func TestLayerRefusesWhatNoLayerCanHave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(dir string)
		want   string
	}{
		"the name of a whiteout":     {in(t, "d/.wh.x"), "/d/.wh.x: layers of images"},
		"a folder of such a name":    {in(t, ".wh..wh..opq/x"), "/.wh..wh..opq: layers of images"},
		"an owner beyond 31 bits":    {func(d string) { in(t, "f")(d); must(t, os.Chown(d+"/f", 1<<31, 0)) }, "/f belongs to 2147483648:0"},
		"one in a folder that moved": {func(d string) { must(t, os.Rename(d+"/dir", d+"/to")); in(t, "to/.wh.a")(d) }, "/to/.wh.a: layers of images"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := stack(t, in(t, "dir/a"), c.change, "redirect_dir=on")
			err := PackLayer(t.Context(), io.Discard, l)
			if !errors.Is(err, engine.ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A container that is not frozen may put a link in the place of a folder while it is read.
func TestLayerFollowsNoLink(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	must(t, os.WriteFile(outside+"/f", []byte("the host's"), 0o600))
	l := stack(t, in(t, "d/f"), func(d string) { in(t, "d/f", "d/g")(d) })
	// The upper folder still has what the view has not any more.
	view := t.TempDir()
	must(t, os.Symlink(outside, view+"/d"))
	l.View = rootOf(t, view)
	if got := entriesOf(t, l); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestLayerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := stack(t, in(t), in(t, "a"))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if err := PackLayer(ctx, io.Discard, l); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

// A container that was never started has changed nothing.
func TestLayerOfNothing(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	must(t, PackLayer(t.Context(), &b, &Layer{}))
	if !slices.Equal(b.Bytes(), make([]byte, 1024)) {
		t.Errorf("%d bytes", b.Len())
	}
}
