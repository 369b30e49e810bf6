package caller

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestSuccessorOf(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to own files")
	}
	dir := t.TempDir()
	file := func(name string, mode fs.FileMode, owner int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("tiffin", 0o755, 0)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ executable, want string }{
		"the file is there":          {good, ""},
		"it was replaced":            {good + " (deleted)", good},
		"it was removed":             {filepath.Join(dir, "none") + " (deleted)", ""},
		"by somebody's":              {file("his", 0o755, 1000) + " (deleted)", ""},
		"by one that others write":   {file("open", 0o777, 0) + " (deleted)", ""},
		"by one of a group's":        {file("group", 0o775, 0) + " (deleted)", ""},
		"by what is not to be run":   {file("data", 0o644, 0) + " (deleted)", ""},
		"by a link":                  {link + " (deleted)", ""},
		"by a folder":                {dir + " (deleted)", ""},
		"it never had a path":        {"/memfd:tiffin (deleted)", ""},
		"its name ends as if it was": {file("x (deleted)", 0o755, 0), ""},
	} {
		if got := successorOf(c.executable); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
