package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// pulled is a store with one image of two layers under the name app:v1 at r.
func pulled(t *testing.T) (*shelf, *Store, engine.Image) {
	t.Helper()
	r := newShelf(t)
	r.push(t, "app:v1", img{layers: []map[string]string{{"a": "a"}, {"b": "b"}}})
	s := open(t, t.TempDir())
	i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, s, i
}

// left counts what lies on the disk.
func left(t *testing.T, s *Store) (blobs, layers int) {
	t.Helper()
	b, err := filepath.Glob(filepath.Join(s.root, "content/blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := filepath.Glob(filepath.Join(s.layersRoot(), "snapshots/*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(b), len(l)
}

func TestResolve(t *testing.T) {
	r, s, i := pulled(t)
	name := r.host() + "/app:v1"
	if err := s.Tag(t.Context(), name, "busybox"); err != nil {
		t.Fatal(err)
	}
	hex := strings.TrimPrefix(i.ID, "sha256:")
	manifest := strings.TrimPrefix(i.Digest, "sha256:")
	for _, ref := range []string{
		name, "busybox", "busybox:latest", "docker.io/library/busybox", "library/busybox:latest",
		i.ID, hex, hex[:12], hex[:4], "sha256:" + hex[:10], i.Digest, manifest[:12],
		r.host() + "/app@" + i.Digest, "busybox@" + i.Digest,
	} {
		got, err := s.Resolve(t.Context(), ref, "")
		if err != nil || got.ID != i.ID {
			t.Errorf("%s: %v, %v", ref, got.ID, err)
		}
	}
	got, err := s.Resolve(t.Context(), "busybox", "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{name, "busybox:latest"}, got.Names); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{r.host() + "/app@" + i.Digest, "busybox@" + i.Digest}, got.Digests); d != "" {
		t.Error(d)
	}
	for ref, text := range map[string]string{
		"nothere": "no such image: nothere:latest", r.host() + "/app:v2": "no such image: " + r.host() + "/app:v2",
		"ffffffffffff": "no such image: ffffffffffff", "sha256:0123": "no such image: sha256:0123",
		"app@" + i.Digest: "no such image: app@" + i.Digest,
	} {
		if _, err := s.Resolve(t.Context(), ref, ""); !errors.Is(err, engine.ErrNotFound) || err.Error() != text {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := s.Tag(t.Context(), name, "x@"+i.Digest); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("a digest as a tag: %v", err)
	}
}

func TestRemove(t *testing.T) {
	running := []User{{Container: strings.Repeat("c", 64), Running: true}}
	stopped := []User{{Container: strings.Repeat("d", 64)}}
	byID := func(i engine.Image) string { return i.ID }
	byName := func(engine.Image) string { return "app:v1" }
	cases := map[string]struct {
		tags  []string
		ref   func(engine.Image) string
		force bool
		users []User
		want  Removed // ID stands for the image's ID
		text  string  // SHORT stands for its beginning
		gone  bool
	}{
		"the last name goes with the image": {
			nil, byName, false, nil, Removed{[]string{"app:v1"}, []string{"ID"}}, "", true,
		},
		"one of two names goes alone": {
			[]string{"app:v2"}, byName, false, running, Removed{[]string{"app:v1"}, nil}, "", false,
		},
		"by ID, all names of one repository go": {
			[]string{"app:v2"}, byID, false, nil, Removed{[]string{"app:v1", "app:v2"}, []string{"ID"}}, "", true,
		},
		"by ID, names of two repositories must be forced": {
			[]string{"other:v1"},
			byID, false, nil,
			Removed{},
			"conflict: unable to delete SHORT (must be forced) - image is referenced in multiple repositories", false,
		},
		"forced, they go": {
			[]string{"other:v1"}, byID, true, nil, Removed{[]string{"app:v1", "other:v1"}, []string{"ID"}}, "", true,
		},
		"a container uses the name": {
			nil, byName, false, stopped,
			Removed{},
			`conflict: unable to remove repository reference "app:v1" (must force) - container dddddddddddd is using its referenced image SHORT`, false,
		},
		"a stopped container uses the ID": {
			nil, byID, false, stopped,
			Removed{},
			"conflict: unable to delete SHORT (must be forced) - image is being used by stopped container dddddddddddd", false,
		},
		"by force, an image in use loses its last name": {
			nil, byName, true, running, Removed{[]string{"app:v1"}, nil}, "", false,
		},
		"a running container cannot be forced away": {
			nil, byID, true, running,
			Removed{},
			"conflict: unable to delete SHORT (cannot be forced) - image is being used by running container cccccccccccc", false,
		},
		"a stopped one can, and its layers stay": {
			nil, byName, true, stopped, Removed{[]string{"app:v1"}, []string{"ID"}}, "", true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, s, i := pulled(t)
			if err := s.Tag(t.Context(), r.host()+"/app:v1", "app:v1"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Remove(t.Context(), r.host()+"/app:v1", RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
			for _, tag := range c.tags {
				if err := s.Tag(t.Context(), "app:v1", tag); err != nil {
					t.Fatal(err)
				}
			}
			users := func(id string) []User {
				if id != i.ID {
					t.Errorf("asked for %s", id)
				}
				return c.users
			}
			got, err := s.Remove(t.Context(), c.ref(i), RemoveOptions{Force: c.force, Users: users})
			text := strings.ReplaceAll(c.text, "SHORT", engine.ShortID(strings.TrimPrefix(i.ID, "sha256:")))
			if (err == nil) != (text == "") || (err != nil && (err.Error() != text || !errors.Is(err, engine.ErrConflict))) {
				t.Fatalf("got %v, want %s", err, text)
			}
			for n := range c.want.Deleted {
				c.want.Deleted[n] = i.ID
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			_, err = s.Resolve(t.Context(), i.ID, "")
			if errors.Is(err, engine.ErrNotFound) != c.gone {
				t.Errorf("it is gone: %v", err)
			}
			blobs, layers := left(t, s)
			if held := len(c.users) > 0 || !c.gone; held != (layers == 2) || held != (blobs == 4) {
				t.Errorf("%d blobs and %d layers are left", blobs, layers)
			}
		})
	}
	t.Run("what is not there", func(t *testing.T) {
		s := open(t, t.TempDir())
		if _, err := s.Remove(t.Context(), "nothere", RemoveOptions{}); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAHeldImageKeepsItsLayersUntilTheLastRelease(t *testing.T) {
	r, s, i := pulled(t)
	for _, c := range []string{"one", "two"} {
		if err := s.Hold(t.Context(), c, i.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Hold(t.Context(), "three", "sha256:no"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("held nothing: %v", err)
	}
	if _, err := s.Remove(t.Context(), r.host()+"/app:v1", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("listed: %v %v", list, err)
	}
	if got := files(t, s, i.ID); len(got) != 2 {
		t.Errorf("files: %v", got)
	}

	// The engine starts anew: containers hold again.
	root := s.root
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, root)
	for _, c := range []string{"one", "two"} {
		if err := s.Hold(t.Context(), c, i.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if got := files(t, s, i.ID); len(got) != 2 {
		t.Errorf("files: %v", got)
	}
	if err := s.Release(t.Context(), "two"); err != nil {
		t.Fatal(err)
	}
	if blobs, layers := left(t, s); blobs+layers > 0 {
		t.Errorf("%d blobs and %d layers are left", blobs, layers)
	}
	if err := s.Release(t.Context(), "two"); err != nil {
		t.Errorf("released twice: %v", err)
	}

	t.Run("pulled again while held, it is an image as before", func(t *testing.T) {
		name := r.host() + "/app:v1"
		for range 2 {
			if _, err := s.Pull(t.Context(), name, PullOptions{}, nil); err != nil {
				t.Fatal(err)
			}
			if err := s.Hold(t.Context(), "one", i.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Remove(t.Context(), name, RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Pull(t.Context(), name, PullOptions{}, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Resolve(t.Context(), name, ""); err != nil || got.ID != i.ID {
			t.Errorf("%v %v", got, err)
		}
	})
}

func TestAnImageThatLosesItsNameStaysUntilItIsPruned(t *testing.T) {
	r, s, old := pulled(t)
	r.push(t, "app:v1", img{layers: []map[string]string{{"a": "a"}, {"c": "c"}}})
	name := r.host() + "/app:v1"
	i, err := s.Pull(t.Context(), name, PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i.ID == old.ID {
		t.Fatal("the same image")
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 2 || list[1].ID != old.ID || list[1].Names != nil {
		t.Fatalf("%+v %v", list, err)
	}
	used := func(string) []User { return []User{{Container: "c"}} }
	if got, err := s.Prune(t.Context(), used); err != nil || len(got.Deleted) > 0 {
		t.Errorf("pruned what is used: %v %v", got, err)
	}
	got, err := s.Prune(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Removed{Deleted: []string{old.ID}}, got); d != "" {
		t.Error(d)
	}
	if blobs, layers := left(t, s); blobs != 4 || layers != 2 {
		t.Errorf("%d blobs and %d layers are left", blobs, layers)
	}
	if d := cmp.Diff(map[string]string{"a": "a", "c": "c"}, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
	t.Run("a name that moves back finds it again", func(t *testing.T) {
		r.push(t, "app:v1", img{layers: []map[string]string{{"a": "a"}, {"b": "b"}}})
		for range 2 {
			if _, err := s.Pull(t.Context(), name, PullOptions{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.List(t.Context())
		if err != nil || len(list) != 2 || list[0].ID != old.ID || list[1].ID != i.ID {
			t.Errorf("%+v %v", list, err)
		}
	})
}

func TestAnImageWithoutLayers(t *testing.T) {
	r := newShelf(t)
	r.push(t, "empty:v1", img{})
	s := open(t, t.TempDir())
	i, err := s.Pull(t.Context(), r.host()+"/empty:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Rootfs(t.Context(), i.ID)
	if err != nil || len(l.Lower) != 1 {
		t.Fatalf("%v %v", l, err)
	}
	if names, err := os.ReadDir(l.Lower[0]); err != nil || len(names) > 0 {
		t.Errorf("%v %v", names, err)
	}
	if _, err := s.Remove(t.Context(), i.ID, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rootfs(t.Context(), i.ID); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyOneMayHaveTheStoreOpen(t *testing.T) {
	s := open(t, t.TempDir())
	if again, err := Open(t.Context(), Config{Root: s.root}); err == nil {
		t.Error("opened twice", again.Close())
	}
}

// A stranger's index may list whatever lies here as a manifest. It must not make every listing fail.
func TestAnIndexIsNotBelievedAboutOtherBlobs(t *testing.T) {
	r, s, i := pulled(t)
	d := r.make(t, img{layers: []map[string]string{{"c": "c"}}})
	config := digest.Digest(i.ID)
	r.index(t, "evil:v1", d, ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: config, Size: int64(len(r.blobs[config])),
		Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"},
	})
	if _, err := s.Pull(t.Context(), r.host()+"/evil:v1", PullOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
}

// Names that are given at once are all known as soon as each was given.
func TestNamesGivenAtOnceAreAllKnown(t *testing.T) {
	_, s, i := pulled(t)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for m := range 20 {
				name := fmt.Sprintf("n%d:m%d", n, m)
				if err := s.Tag(t.Context(), i.ID, name); err != nil {
					t.Error(err)
				}
				if _, err := s.Resolve(t.Context(), name, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
