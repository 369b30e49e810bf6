package stub

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// tree makes folders ("a/"), files ("a/b") and links ("a/l -> target") below a new root.
func makeTree(t *testing.T, entries ...string) *os.File {
	t.Helper()
	root := t.TempDir()
	for _, e := range entries {
		name, link, isLink := cutLink(e)
		path := filepath.Join(root, name)
		var err error
		switch {
		case isLink:
			err = os.Symlink(link, path)
		case e[len(e)-1] == '/':
			err = os.MkdirAll(path, 0o750)
		default:
			err = os.WriteFile(path, []byte("x"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func cutLink(e string) (name, target string, ok bool) {
	for i := range e {
		if i+4 <= len(e) && e[i:i+4] == " -> " {
			return e[:i], e[i+4:], true
		}
	}
	return e, "", false
}

// listing is all that lies below a root.
func listing(t *testing.T, root *os.File) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root.Name(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root.Name() {
			return err
		}
		rel, err := filepath.Rel(root.Name(), path)
		if d.IsDir() {
			rel += "/"
		}
		list = append(list, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func TestMountPointsAreMadeAndTakenAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		there  []string
		points []Point
		made   []string // beside what is there
		during func(t *testing.T, root string)
		left   []string // of what was made, or put there by the job
		all    bool
	}{
		"what is there stays": {
			there:  []string{"etc/", "etc/hosts"},
			points: []Point{{Target: "/etc/hosts"}, {Target: "/etc", IsDir: true}},
		},
		"a file and a folder": {
			there:  []string{"etc/"},
			points: []Point{{Target: "/etc/hosts"}, {Target: "/cache", IsDir: true}},
			made:   []string{"cache/", "etc/hosts"},
		},
		"folders above stay unless all are to go": {
			points: []Point{{Target: "/a/b/c", IsDir: true}},
			made:   []string{"a/", "a/b/", "a/b/c/"},
			left:   []string{"a/", "a/b/"},
		},
		"all of them go": {
			points: []Point{{Target: "/a/b/c"}},
			made:   []string{"a/", "a/b/", "a/b/c"},
			all:    true,
		},
		"one below another is the runtime's": {
			points: []Point{{Target: "/a", IsDir: true}, {Target: "/a/b", IsDir: true}},
			made:   []string{"a/"},
		},
		"what a link leads to is made": {
			there:  []string{"etc/", "run/", "etc/resolv.conf -> ../run/systemd/resolv.conf"},
			points: []Point{{Target: "/etc/resolv.conf"}},
			made:   []string{"run/systemd/", "run/systemd/resolv.conf"},
			all:    true,
		},
		"no link leads out": {
			there:  []string{"out -> ../../../../../../tmp"},
			points: []Point{{Target: "/out/stub-of-a-mount", IsDir: true}},
			made:   []string{"tmp/", "tmp/stub-of-a-mount/"},
			all:    true,
		},
		"what the job wrote into it stays": {
			points: []Point{{Target: "/data", IsDir: true}, {Target: "/file"}},
			made:   []string{"data/", "file"},
			during: func(t *testing.T, root string) {
				t.Helper()
				for _, name := range []string{"data/x", "file"} {
					if err := os.WriteFile(filepath.Join(root, name), []byte("mine"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			},
			left: []string{"data/", "data/x", "file"},
			all:  true,
		},
		"what the job put in the place of the folder above is not touched": {
			there:  []string{"precious/", "dir/"},
			points: []Point{{Target: "/dir/a/stub"}},
			made:   []string{"dir/a/", "dir/a/stub"},
			during: func(t *testing.T, root string) {
				t.Helper()
				// CVE-2024-23652: the sweep must not follow the link.
				if err := os.RemoveAll(filepath.Join(root, "dir/a")); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(root, "precious/stub"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("../precious", filepath.Join(root, "dir/a")); err != nil {
					t.Fatal(err)
				}
			},
			left: []string{"dir/a", "precious/stub"},
			all:  true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := makeTree(t, c.there...)
			before := listing(t, root)
			s, err := Make(root, c.points)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sorted(before, c.made), listing(t, root)); diff != "" {
				t.Errorf("made: -want +got:\n%s", diff)
			}
			if c.during != nil {
				c.during(t, root.Name())
			}
			if err := s.Sweep(c.all); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(sorted(before, c.left), listing(t, root)); diff != "" {
				t.Errorf("left: -want +got:\n%s", diff)
			}
		})
	}
}

func sorted(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return all
}

func TestFoldersWithMountPointsKeepTheirTimes(t *testing.T) {
	t.Parallel()
	root := makeTree(t, "etc/")
	etc := filepath.Join(root.Name(), "etc")
	long := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	if err := os.Chtimes(etc, long, long); err != nil {
		t.Fatal(err)
	}
	s, err := Make(root, []Point{{Target: "/etc/hosts"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(false); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(etc)
	if err != nil || !info.ModTime().Equal(long) {
		t.Errorf("%v, %v", info.ModTime(), err)
	}
}

func TestALoopOfLinksIsRefused(t *testing.T) {
	t.Parallel()
	root := makeTree(t, "a -> b", "b -> a")
	if s, err := Make(root, []Point{{Target: "/a/x"}}); err == nil {
		t.Errorf("made %v", s.made)
	}
}
