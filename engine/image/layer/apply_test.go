package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func apply(tb testing.TB, h house, blob []byte) (Result, error) {
	tb.Helper()
	return Apply(tb.Context(), Source{Blob: bytes.NewReader(blob), Size: int64(len(blob))}, h.target(), DefaultLimits())
}

func zip(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return w.EncodeAll(plain, nil)
}

func TestApplyUnpacksWhateverTheCompression(t *testing.T) {
	needRoot(t)
	plain := pack(t,
		dir("bin"), file("bin/sh", "shell"), hardlink("bin/ash", "bin/sh"), symlink("sh", "/bin/sh"),
		with(file("bin/su", "su"), func(h *tar.Header) { h.Mode = 0o4755; h.Uid = 3 }),
		file("etc/new", "in a folder that only the layer below has"),
		file("etc/.wh.passwd", ""), dir("opt"), file("opt/.wh..wh..opq", ""))
	sum := sha256.Sum256(plain)
	for name, blob := range map[string][]byte{
		"plain": plain, "gzip": zip(t, plain), "zstd": zstandard(t, plain),
		"gzip in two members": append(zip(t, plain[:700]), zip(t, plain[700:])...),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			before := h.outside(t)
			got, err := apply(t, h, blob)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{"etc"}, got.Implied); d != "" {
				t.Error(d)
			}
			if err := Inherit(h.target(), []string{filepath.Join(h.base, "1/fs")}, got.Implied); err != nil {
				t.Fatal(err)
			}
			if want := "sha256:" + hex.EncodeToString(sum[:]); got.DiffID.String() != want || got.Size != int64(len(plain)) {
				t.Errorf("got %v, want %s of %d bytes", got, want, len(plain))
			}
			want := strings.Join([]string{
				`drwxr-xr-x . 0:0`,
				`drwxr-xr-x bin 0:0`,
				`-rw-r--r-- bin/ash 0:0 "shell"`,
				`-rw-r--r-- bin/sh 0:0 "shell"`,
				`urwxr-xr-x bin/su 3:0 "su"`,
				`dtrwxr-x--x etc 7:8`,
				`-rw-r--r-- etc/new 0:0 "in a folder that onl"`,
				`Dc--------- etc/passwd 0:0 0:0`,
				`drwxr-xr-x opt 0:0 trusted.overlay.opaque`,
				`Lrwxrwxrwx sh 0:0 -> /bin/sh`,
			}, "\n")
			if d := cmp.Diff(want, h.layer(t)); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(before, h.outside(t)); d != "" {
				t.Errorf("changed outside of the layer: %s", d)
			}
		})
	}
}

// The cases of which other unpackers are known to have gone wrong. Whatever becomes of the layer, nothing outside
// of it may change; and of what is unpacked, nothing may be more than a file.
func TestHostileLayers(t *testing.T) {
	needRoot(t)
	xattr := func(e entry, name, value string) entry {
		return with(e, func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr." + name: value} })
	}
	const refused, kept = false, true
	cases := map[string]struct {
		entries []entry
		ok      bool
		want    string // the layer's listing without its root
	}{
		"a name that climbs out stays inside": {
			[]entry{file("../../../outside/secret", "x")},
			kept,
			"drwxr-xr-x outside 0:0\n-rw-r--r-- outside/secret 0:0 \"x\"",
		},
		"an absolute name is inside": {
			[]entry{file("/etc2", "x")}, kept, `-rw-r--r-- etc2 0:0 "x"`,
		},
		"a link out and a file through it land inside": {
			[]entry{symlink("l", "/outside"), dir("outside"), file("l/secret", "x")},
			kept,
			"Lrwxrwxrwx l 0:0 -> /outside\ndrwxr-xr-x outside 0:0\n-rw-r--r-- outside/secret 0:0 \"x\"",
		},
		"a link that climbs and a file through it": {
			[]entry{symlink("l", "../../../outside"), dir("outside"), file("l/secret", "x")},
			kept,
			"Lrwxrwxrwx l 0:0 -> ../../../outside\ndrwxr-xr-x outside 0:0\n-rw-r--r-- outside/secret 0:0 \"x\"",
		},
		"a link to another layer and a file through it": {
			[]entry{symlink("l", "../../1/fs/etc"), file("l/passwd", "x")},
			kept,
			"drwxr-xr-x 1 0:0\ndrwxr-xr-x 1/fs 0:0\ndrwxr-xr-x 1/fs/etc 0:0\n-rw-r--r-- 1/fs/etc/passwd 0:0 \"x\"\n" +
				"Lrwxrwxrwx l 0:0 -> ../../1/fs/etc",
		},
		"a chain of links": {
			[]entry{symlink("a", "b"), symlink("b", ".."), dir("outside"), file("a/outside/secret", "x")},
			kept,
			"Lrwxrwxrwx a 0:0 -> b\nLrwxrwxrwx b 0:0 -> ..\ndrwxr-xr-x outside 0:0\n-rw-r--r-- outside/secret 0:0 \"x\"",
		},
		"a loop of links": {[]entry{symlink("a", "b"), symlink("b", "a"), file("a/x", "x")}, refused, ""},
		"a file replaces a link, not what it points at": {
			[]entry{symlink("l", "/outside/secret"), file("l", "x")}, kept, `-rw-r--r-- l 0:0 "x"`,
		},
		"a hard link out":       {[]entry{hardlink("l", "../../../outside/secret")}, refused, ""},
		"an absolute hard link": {[]entry{hardlink("l", "/outside/secret")}, refused, ""},
		"a hard link through a link out": {
			[]entry{symlink("d", "/outside"), hardlink("l", "d/secret")}, refused, "",
		},
		"a hard link to itself": {[]entry{hardlink("l", "l")}, refused, ""},
		"a mode through a link does not change the target": {
			[]entry{symlink("l", "/outside/secret"), with(symlink("l", "/outside/secret"), func(h *tar.Header) {
				h.Mode, h.Uid = 0o777, 5
			})}, kept, "Lrwxrwxrwx l 5:0 -> /outside/secret",
		},
		"a whiteout that climbs": {
			[]entry{file("../../../outside/.wh.secret", "")},
			kept,
			"drwxr-xr-x outside 0:0\nDc--------- outside/secret 0:0 0:0",
		},
		"a whiteout of dot-dot": {[]entry{dir("d"), file("d/.wh...", "")}, refused, ""},
		"a whiteout of dot":     {[]entry{dir("d"), file("d/.wh..", "")}, refused, ""},
		"a whiteout of nothing": {[]entry{dir("d"), file("d/.wh.", "")}, refused, ""},
		"a whiteout through a link out is inside": {
			[]entry{symlink("l", "/outside"), file("l/.wh.secret", "")},
			kept,
			"Lrwxrwxrwx l 0:0 -> /outside\ndrwxr-xr-x outside 0:0\nDc--------- outside/secret 0:0 0:0",
		},
		"an opaque mark on a link out is inside": {
			[]entry{symlink("l", "/outside"), file("l/.wh..wh..opq", "")},
			kept,
			"Lrwxrwxrwx l 0:0 -> /outside\ndrwxr-xr-x outside 0:0 trusted.overlay.opaque",
		},
		"aufs' own records are left out": {
			[]entry{file(".wh..wh.aufs", "x"), file(".wh..wh.plnk/1.2", "x"), file("f", "x")},
			kept,
			`drwxr-xr-x .wh..wh.plnk 0:0` + "\n" + `-rw-r--r-- .wh..wh.plnk/1.2 0:0 "x"` + "\n" + `-rw-r--r-- f 0:0 "x"`,
		},
		"a disk is left out": {
			[]entry{{tar.Header{Name: "sda", Typeflag: tar.TypeBlock, Devmajor: 8}, ""}, file("f", "x")},
			kept,
			`-rw-r--r-- f 0:0 "x"`,
		},
		"/dev/mem is left out": {
			[]entry{{tar.Header{Name: "mem", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 1}, ""}}, kept, "",
		},
		"a whiteout made by hand is left out": {
			[]entry{{tar.Header{Name: "passwd", Typeflag: tar.TypeChar}, ""}}, kept, "",
		},
		"a named pipe is a file like others": {
			[]entry{{tar.Header{Name: "p", Typeflag: tar.TypeFifo}, ""}}, kept, "prw-r--r-- p 0:0",
		},
		"a user that wraps to root": {
			[]entry{with(file("f", "x"), func(h *tar.Header) { h.Uid = 1 << 32 })}, refused, "",
		},
		"a group over 31 bits": {
			[]entry{with(file("f", "x"), func(h *tar.Header) { h.Gid = math.MaxInt32 + 1 })}, refused, "",
		},
		"a negative user": {
			[]entry{with(file("f", "x"), func(h *tar.Header) { h.Uid, h.Format = -1, tar.FormatGNU })}, refused, "",
		},
		"overlayfs' own marks are taken off": {
			[]entry{
				xattr(dir("d"), "trusted.overlay.opaque", "y"), xattr(dir("e"), "user.overlay.opaque", "y"),
				xattr(file("f", "x"), "trusted.overlay.redirect", "/etc"),
			},
			kept,
			"drwxr-xr-x d 0:0\ndrwxr-xr-x e 0:0\n-rw-r--r-- f 0:0 \"x\"",
		},
		"a security label is taken off, a capability stays": {
			[]entry{
				xattr(file("f", "x"), "security.selinux", "system_u:object_r:etc_t:s0\x00"),
				xattr(file("g", "x"), "security.capability", "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
				xattr(file("h", "x"), "user.mine", "1"),
			},
			kept,
			"-rw-r--r-- f 0:0 \"x\"\n-rw-r--r-- g 0:0 \"x\" security.capability\n-rw-r--r-- h 0:0 \"x\" user.mine",
		},
		"the root entry does not change the layer's root": {
			[]entry{with(dir("./"), func(h *tar.Header) { h.Mode, h.Uid = 0o777, 9 })}, kept, "",
		},
		"a file as the parent of a file": {[]entry{file("f", "x"), file("f/g", "x")}, refused, ""},
		"a folder is replaced by a link and entered": {
			[]entry{dir("d"), symlink("d", "/outside"), dir("outside"), file("d/secret", "x")},
			kept,
			"Lrwxrwxrwx d 0:0 -> /outside\ndrwxr-xr-x outside 0:0\n-rw-r--r-- outside/secret 0:0 \"x\"",
		},
		"a newline and an escape in a name are kept": {
			[]entry{file("a\n\x1b[2Jb", "x")}, kept, `-rw-r--r-- a\n\x1b[2Jb 0:0 "x"`,
		},
		"a name that is too long":        {[]entry{file(strings.Repeat("a/", 3000)+"f", "x")}, refused, ""},
		"a link target that is too long": {[]entry{symlink("l", strings.Repeat("a", 5000))}, refused, ""},
		"a type that nobody knows":       {[]entry{{tar.Header{Name: "f", Typeflag: 'Z'}, ""}}, refused, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			before := h.outside(t)
			_, err := apply(t, h, pack(t, c.entries...))
			if d := cmp.Diff(before, h.outside(t)); d != "" {
				t.Fatalf("changed outside of the layer (%v): %s", err, d)
			}
			if (err == nil) != c.ok {
				t.Fatalf("unpacked: %v, want %v (error: %v)\n%s", err == nil, c.ok, err, h.layer(t))
			}
			if !c.ok {
				return
			}
			_, got, _ := strings.Cut(h.layer(t)+"\n", "\n")
			if d := cmp.Diff(c.want, strings.TrimSuffix(got, "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	needRoot(t)
	zeros := string(make([]byte, 1<<20))
	small := DefaultLimits()
	small.Expanded, small.Ratio, small.RatioFrom, small.Entries = 4<<20, 10, 1<<20, 20
	many := make([]entry, 30)
	for i := range many {
		many[i] = dir("d")
	}
	cases := map[string]struct {
		blob   []byte
		limits Limits
		want   error
	}{
		"a layer within the limits passes": {pack(t, file("f", zeros)), small, nil},
		"too many bytes":                   {pack(t, file("a", zeros), file("b", zeros), file("c", zeros), file("d", zeros)), small, ErrRefused},
		"too good a compression":           {zip(t, pack(t, file("a", zeros), file("b", zeros))), small, ErrRefused},
		"too good a compression in zstd":   {zstandard(t, pack(t, file("a", zeros), file("b", zeros))), small, ErrRefused},
		"too many entries":                 {pack(t, many...), small, ErrRefused},
		"bytes after the archive's end count": {
			zip(t, append(pack(t, file("a", "x")), make([]byte, 5<<20)...)), small, ErrRefused,
		},
		"a sparse file of a terabyte": {sparse(t, 1<<40), DefaultLimits(), ErrRefused},
		"a file that would fill the disk": {
			pack(t, file("f", zeros)),
			Limits{Expanded: 1 << 40, Ratio: 1000, RatioFrom: 1 << 40, Entries: 100, Path: 100, Reserve: Reserve{Bytes: 1 << 60}},
			ErrNoSpace,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			_, err := Apply(t.Context(), Source{Blob: bytes.NewReader(c.blob), Size: int64(len(c.blob))}, h.target(), c.limits)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// sparse is an archive with one file that is a hole of size bytes, as GNU tar writes it (PAX, version 1.0).
func sparse(t *testing.T, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	body := append([]byte("1\n0\n0\n"), make([]byte, 506)...)
	h := &tar.Header{Name: "GNUSparseFile.0/hole", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body)), Format: tar.FormatPAX}
	records := "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n24 GNU.sparse.name=hole\n"
	real := "GNU.sparse.realsize=" + itoa(size) + "\n"
	records += itoa(int64(len(real)+3)) + " " + real
	pax := &tar.Header{Name: "PaxHeaders.0/hole", Typeflag: 'x', Size: int64(len(records)), Mode: 0o644, Format: tar.FormatUSTAR}
	// The package refuses to write such records itself, so the header is made by hand.
	raw := headerBlock(t, pax)
	b.Write(raw)
	b.WriteString(records)
	b.Write(make([]byte, (512-len(records)%512)%512))
	h.Format = tar.FormatUSTAR
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func headerBlock(t *testing.T, h *tar.Header) []byte {
	t.Helper()
	plain := *h
	plain.Typeflag = tar.TypeReg
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&plain); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()[:512]
	raw[156] = h.Typeflag
	sum := int64(0)
	copy(raw[148:156], "        ")
	for _, c := range raw {
		sum += int64(c)
	}
	copy(raw[148:156], []byte(oct6(sum)+"\x00 "))
	return raw
}

func itoa(n int64) string {
	s := ""
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return s
}

func oct6(n int64) string {
	s := ""
	for range 6 {
		s = string(rune('0'+n%8)) + s
		n /= 8
	}
	return s
}

func TestABrokenStreamIsAnError(t *testing.T) {
	needRoot(t)
	plain := pack(t, file("f", strings.Repeat("tiffin", 100_000)))
	whole := zip(t, plain)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 0xff
	wide := zstandard(t, plain)
	for name, blob := range map[string][]byte{
		"cut off in the gzip": whole[:len(whole)/2], "cut off in the tar": plain[:2000], "damaged": damaged,
		"no archive":         []byte("hello, this is not an archive at all, however long you read it. " + strings.Repeat("x", 600)),
		"only a gzip header": whole[:10], "zstd cut off": wide[:len(wide)/2],
		// Window descriptor 0xb0: 2^(10+22) bytes.
		"a zstd window of 4 GiB": {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xb0, 0x01, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := apply(t, newHouse(t), blob); err == nil {
				t.Error("unpacked")
			}
		})
	}
	t.Run("an empty blob is an empty layer", func(t *testing.T) {
		if _, err := apply(t, newHouse(t), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestApplyEndsWithItsContext(t *testing.T) {
	needRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	blob := pack(t, file("a", "x"), file("b", "x"))
	cut := &callAfter{r: bytes.NewReader(blob), n: 600, f: cancel}
	h := newHouse(t)
	if _, err := Apply(ctx, Source{Blob: cut, Size: int64(len(blob))}, h.target(), DefaultLimits()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type callAfter struct {
	r io.Reader
	n int
	f func()
}

func (c *callAfter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(len(p), c.n)])
	c.f()
	return n, err
}

func TestTheThreadSeesOnlyTheLayer(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	err := confined(filepath.Join(h.base, "2"), func() error {
		for _, name := range []string{"/outside", "/1", "../1", "../../outside", "/proc/self"} {
			if _, err := os.Stat(name); err == nil {
				t.Errorf("sees %s", name)
			}
		}
		return os.WriteFile("/fs/ok", []byte("x"), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.base, "2/fs/ok")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Errorf("the test's own thread lost its root: %v", err)
	}
}

func TestInherit(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	blob := pack(t,
		file("etc/a", ""), file("etc/new/b", ""), file("var/c", ""), symlink("lib", "/etc"), file("lib/d", ""),
		file("own/e", ""), with(dir("own"), func(h *tar.Header) { h.Mode = 0o700 }))
	below := filepath.Join(h.base, "1/fs")
	for _, d := range []string{"var", "own", "lib"} {
		if err := os.Mkdir(filepath.Join(below, d), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	// One layer between them made var a link out: what is behind it is nobody's folder.
	between := filepath.Join(h.base, "3/fs")
	if err := os.MkdirAll(between, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/outside", filepath.Join(between, "var")); err != nil {
		t.Fatal(err)
	}
	got, err := apply(t, h, blob)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"etc", "etc/new", "lib", "var"}, got.Implied); d != "" {
		t.Error(d)
	}
	before := h.outside(t)
	if err := Inherit(h.target(), []string{between, below}, got.Implied); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, h.outside(t)); d != "" {
		t.Error(d)
	}
	want := strings.Join([]string{
		`drwxr-xr-x . 0:0`, `dtrwxr-x--x etc 7:8`, `-rw-r--r-- etc/a 0:0 ""`, `-rw-r--r-- etc/d 0:0 ""`, `drwxr-xr-x etc/new 0:0`,
		`-rw-r--r-- etc/new/b 0:0 ""`, `Lrwxrwxrwx lib 0:0 -> /etc`, `drwx------ own 0:0`, `-rw-r--r-- own/e 0:0 ""`,
		`drwxr-xr-x var 0:0`, `-rw-r--r-- var/c 0:0 ""`,
	}, "\n")
	if d := cmp.Diff(want, h.layer(t)); d != "" {
		t.Error(d)
	}
}

func FuzzApply(f *testing.F) {
	needRoot(f)
	f.Add(pack(f, dir("d"), file("d/f", "x"), symlink("l", "../.."), hardlink("h", "d/f"), file("d/.wh.g", "")))
	f.Add(pack(f, symlink("l", "/outside"), file("l/secret", "x"), file("l/.wh..wh..opq", "")))
	f.Add(zip(f, pack(f, file("a/b/c", "x"))))
	limits := DefaultLimits()
	limits.Expanded = 1 << 20
	h := newHouse(f)
	before := h.outside(f)
	f.Fuzz(func(t *testing.T, blob []byte) {
		target := h.target()
		_, _ = Apply(t.Context(), Source{Blob: bytes.NewReader(blob), Size: int64(len(blob))}, target, limits)
		if d := cmp.Diff(before, h.outside(t)); d != "" {
			t.Fatal(d)
		}
		if err := errors.Join(os.RemoveAll(target), os.Mkdir(target, 0o755)); err != nil {
			t.Fatal(err)
		}
	})
}
