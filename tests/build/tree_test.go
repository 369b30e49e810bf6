package build

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// file is one of a tree. Names that share one are hard links.
type file struct {
	kind     byte
	mode     int64
	uid, gid int
	size     int64
	content  string // of a short one
	digest   digest.Digest
	link     string
	device   string
	attrs    map[string]string
	time     time.Time
}

// tree is a root filesystem: files by absolute path.
type tree map[string]*file

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"

	short = 100 // a file with no more bytes is quoted
)

// apply unpacks a layer onto a tree, by the rules of the OCI image specification. It wants no more of a layer than a
// strict reader would take: each name once, and nothing outside.
func (t tree) apply(tr *tar.Reader) error {
	seen := map[string]bool{}
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean("/" + h.Name)
		if clean := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/"); "/"+clean != name && clean != "" {
			return fmt.Errorf("member %q of a layer is not clean", h.Name)
		}
		if seen[name] {
			return fmt.Errorf("member %q is twice in a layer", h.Name)
		}
		seen[name] = true
		if err := t.add(name, h, tr, seen); err != nil {
			return fmt.Errorf("member %q: %w", h.Name, err)
		}
	}
}

func (t tree) add(name string, h *tar.Header, content io.Reader, seen map[string]bool) error {
	dir, base := path.Split(name)
	if base == opaque {
		t.remove(path.Clean(dir), func(p string) bool { return !seen[p] })
		return nil
	}
	if gone, ok := strings.CutPrefix(base, whiteout); ok {
		gone = path.Join(dir, gone)
		if t[gone] == nil {
			return errors.New("a whiteout of what is not there")
		}
		t.remove(gone, func(string) bool { return true })
		delete(t, gone)
		return nil
	}
	if h.Typeflag == tar.TypeLink {
		target := t[path.Clean("/"+h.Linkname)]
		if target == nil {
			return fmt.Errorf("a link to %q, which is not there", h.Linkname)
		}
		t[name] = target
		return nil
	}
	sum := digest.Canonical.Digester()
	text, err := io.ReadAll(io.TeeReader(io.LimitReader(content, short), sum.Hash()))
	if err != nil {
		return err
	}
	if _, err := io.Copy(sum.Hash(), content); err != nil {
		return err
	}
	if was := t[name]; was != nil && was.kind == tar.TypeDir && h.Typeflag != tar.TypeDir {
		t.remove(name, func(string) bool { return true })
	}
	f := &file{
		kind: h.Typeflag, mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid, size: h.Size, content: string(text), digest: sum.Digest(),
		link: h.Linkname, attrs: map[string]string{}, time: h.ModTime.Truncate(time.Second),
	}
	if f.kind == tar.TypeChar || f.kind == tar.TypeBlock {
		f.device = fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)
	}
	for key, value := range h.PAXRecords {
		if attr, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			f.attrs[attr] = value
		}
	}
	t[name] = f
	return nil
}

// remove takes away what is below a folder.
func (t tree) remove(dir string, which func(string) bool) {
	below := strings.TrimSuffix(dir, "/") + "/"
	maps.DeleteFunc(t, func(p string, _ *file) bool { return strings.HasPrefix(p, below) && which(p) })
}

// line is a file as text: kind, mode, owner, path, and what is in it.
func (f *file) line(name string, withTime bool) string { //nolint:revive // it is how it is asked for
	var b strings.Builder
	fmt.Fprintf(&b, "%s %04o %d:%d %s", kindOf(f.kind), f.mode, f.uid, f.gid, printable(name))
	switch f.kind {
	case tar.TypeReg:
		if f.size <= short && !strings.ContainsRune(f.content, 0) {
			fmt.Fprintf(&b, " %q", f.content)
		} else {
			fmt.Fprintf(&b, " (%d bytes)", f.size)
		}
	case tar.TypeSymlink:
		fmt.Fprintf(&b, " -> %s", f.link)
	case tar.TypeChar, tar.TypeBlock:
		fmt.Fprintf(&b, " %s", f.device)
	}
	for _, key := range slices.Sorted(maps.Keys(f.attrs)) {
		fmt.Fprintf(&b, " %s=%x", key, f.attrs[key])
	}
	if withTime {
		fmt.Fprintf(&b, " %s", f.time.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// printable quotes a name that would not be one word.
func printable(name string) string {
	if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` || strings.Contains(name, " ") {
		return quoted
	}
	return name
}

func kindOf(typeflag byte) string {
	names := map[byte]string{
		tar.TypeReg: "f", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeFifo: "p", tar.TypeChar: "c", tar.TypeBlock: "b",
	}
	return cmp.Or(names[typeflag], "?")
}

// lines is a tree as text, sorted. Of files with several names, the first one has the content.
func (t tree) lines(withTimes bool) map[string]string {
	lines, first := map[string]string{}, map[*file]string{}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		f := t[name]
		if other, ok := first[f]; ok {
			lines[name] = "h " + printable(name) + " = " + printable(other)
			continue
		}
		first[f] = name
		lines[name] = f.line(name, withTimes)
	}
	return lines
}

// difference is what a tree has and its base has not, or otherwise, and what of the base is gone. A file that is too long
// to be quoted is another one, too, when it has other content of the same size.
func (t tree) difference(base tree, withTimes bool) string {
	ours, theirs := t.lines(withTimes), base.lines(withTimes)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(merged(ours, theirs))) {
		switch was, is := theirs[name], ours[name]; {
		case is == "":
			fmt.Fprintln(&b, "-", printable(name))
		case is != was || t[name].digest != base[name].digest:
			fmt.Fprintln(&b, is)
		}
	}
	return b.String()
}

func TestADifferenceInTheMiddleOfALargeFileIsSeen(t *testing.T) {
	t.Parallel()
	var trees [2]tree
	for i := range trees {
		var layer bytes.Buffer
		tw := tar.NewWriter(&layer)
		content := bytes.Repeat([]byte{'x'}, 1000)
		content[500] = byte('0' + i)
		if err := tw.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(content); err != nil {
			t.Fatal(err)
		}
		trees[i] = tree{}
		if err := trees[i].apply(tar.NewReader(&layer)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := trees[1].difference(trees[0], true), "f 0644 0:0 /f (1000 bytes) 1970-01-01T00:00:00Z\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
