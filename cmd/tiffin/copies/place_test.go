package copies

import (
	"io/fs"
	"testing"

	"tiffin/engine/call"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	file, dir, none := call.FileStat{Path: "/to/x"}, call.FileStat{Path: "/to/x", Mode: fs.ModeDir}, call.FileStat{Path: "/to/x", Missing: true}
	for _, c := range []struct {
		name           string
		source         string
		from           call.FileStat
		target         string
		there          call.FileStat
		folder, called string
		refused        string
	}{
		{"a file gets a new name", "a/f", file, "/to/x", none, "/to", "x", ""},
		{"a file takes another's place", "a/f", file, "/to/x", file, "/to", "x", ""},
		{"a file goes into a folder", "a/f", file, "/to/x", dir, "/to/x", "f", ""},
		{"a folder is not made for a file", "a/f", file, "/to/x/", none, "", "", "/to/x/: no such directory"},
		{"a file is no folder", "a/f", file, "/to/x/", file, "", "", "/to/x/: not a directory"},
		{"a folder gets a new name", "a/d", dir, "/to/x", none, "/to", "x", ""},
		{"so do its contents", "a/d/.", dir, "/to/x", none, "/to", "x", ""},
		{"a folder goes into a folder", "a/d/", dir, "/to/x", dir, "/to/x", "d", ""},
		{"its contents do", "a/d/.", dir, "/to/x", dir, "/to/x", ".", ""},
		{"the root has no name", "/", dir, "/to/x", dir, "/to/x", ".", ""},
		{"a folder does not go over a file", "a/d", dir, "/to/x", file, "", "", "cannot copy a directory to the file /to/x"},
	} {
		folder, called, err := Place(c.source, &c.from, c.target, &c.there)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if folder != c.folder || called != c.called || text != c.refused {
			t.Errorf("%s: %q %q %q, want %q %q %q", c.name, folder, called, text, c.folder, c.called, c.refused)
		}
	}
}

func TestParseEnds(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]End{
		"web:/a": {"web", "/a"}, "web:a:b": {"web", "a:b"}, "./a:b": {"", "./a:b"}, "/a:b": {"", "/a:b"}, "a": {"", "a"}, "-": {"", "-"},
	} {
		if got := ParseEnd(arg); got != want {
			t.Errorf("%s: %v, want %v", arg, got, want)
		}
	}
}
