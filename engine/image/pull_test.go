package image

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/image/layer"
)

var zeroTime time.Time

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func open(tb testing.TB, root string) *Store {
	tb.Helper()
	needRoot(tb)
	s, err := Open(context.Background(), Config{Root: root, Idle: 20 * time.Second, Reserve: layer.Reserve{Bytes: 1 << 20}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// journal keeps what was reported.
type journal struct {
	mu   sync.Mutex
	list []engine.Progress
}

func (j *journal) report(p engine.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, p)
}

// words are the texts of one line, without repetitions.
func (j *journal) words(id string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var w []string
	for _, p := range j.list {
		if p.ID == id {
			w = append(w, p.Text)
		}
	}
	return strings.Join(slices.Compact(w), ", ")
}

// files reads the merged view of an image's layers, as overlayfs would show it, for plain files.
func files(t *testing.T, s *Store, imageID string) map[string]string {
	t.Helper()
	l, err := s.Rootfs(t.Context(), imageID)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, dir := range slices.Backward(l.Lower) {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			rel, _ := filepath.Rel(dir, path)
			found[rel] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestPull(t *testing.T) {
	r := newShelf(t)
	target := r.push(t, "app:v1", img{
		layers: []map[string]string{{"etc/": "", "etc/a": "base"}, {"b": "top"}},
		config: runConfig{
			Cmd: []string{"/b"}, Env: []string{"A=1"}, ExposedPorts: set([]string{"80/tcp"}), Volumes: set([]string{"/v"}),
			Healthcheck: &healthcheck{Test: []string{"CMD", "true"}, Interval: time.Second},
			Labels:      map[string]string{"l": "1"},
		},
	})
	root := filepath.Join(t.TempDir(), "images")
	s := open(t, root)
	name := r.host() + "/app:v1"
	var j journal
	got, err := s.Pull(t.Context(), name, PullOptions{}, j.report)
	if err != nil {
		t.Fatal(err)
	}
	m := r.manifest(t, target)
	want := engine.Image{
		ID: m.Config.Digest.String(), Manifest: target.Digest.String(), Digest: target.Digest.String(), Names: []string{name},
		Digests: []string{r.host() + "/app@" + target.Digest.String()}, Platform: "linux/amd64",
		Config: engine.ImageConfig{
			Cmd: []string{"/b"}, Env: []string{"A=1"}, Expose: []string{"80/tcp"}, Volumes: []string{"/v"},
			Labels: map[string]string{"l": "1"}, Healthcheck: &engine.Healthcheck{Test: []string{"CMD", "true"}, Interval: engine.Duration(time.Second)},
		},
		Labels: map[string]string{"l": "1"}, Layers: got.Layers, Size: got.Size, TaggedAt: got.TaggedAt,
	}
	if d := cmp.Diff(want, got); d != "" || got.Size == 0 || len(got.Layers) != 2 || got.TaggedAt.IsZero() {
		t.Errorf("%s %+v", d, got)
	}
	if d := cmp.Diff(map[string]string{"etc/a": "base", "b": "top"}, files(t, s, got.ID)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("Pulling, Pulled", j.words("Image "+name)); d != "" {
		t.Error(d)
	}
	for _, l := range m.Layers {
		words := j.words(l.Digest.Encoded()[:12])
		if !strings.HasPrefix(words, "Pulling fs layer, Downloading, ") || !strings.HasSuffix(words, ", Pull complete") {
			t.Errorf("layer: %s", words)
		}
	}

	t.Run("a second pull fetches no layer", func(t *testing.T) {
		before := r.gets("/blobs/")
		var j journal
		again, err := s.Pull(t.Context(), name, PullOptions{}, j.report)
		if err != nil {
			t.Fatal(err)
		}
		if !again.TaggedAt.After(got.TaggedAt) {
			t.Error("it does not tell that it was looked at")
		}
		got.TaggedAt = again.TaggedAt
		if d := cmp.Diff(got, again); d != "" {
			t.Error(d)
		}
		if n := r.gets("/blobs/"); n != before {
			t.Errorf("%d blobs fetched", n-before)
		}
		if d := cmp.Diff("Already exists", j.words(m.Layers[0].Digest.Encoded()[:12])); d != "" {
			t.Error(d)
		}
	})
	t.Run("it is there after the store was opened again", func(t *testing.T) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := open(t, root)
		i, err := again.Resolve(t.Context(), name, "")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, i); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]string{"etc/a": "base", "b": "top"}, files(t, again, got.ID)); d != "" {
			t.Error(d)
		}
	})
}

func TestMirrors(t *testing.T) {
	r := newShelf(t)
	r.push(t, "library/app:v1", img{layers: []map[string]string{{"a": "a"}}})
	down := newShelf(t)
	down.Close()
	lacks := newShelf(t)
	needRoot(t)
	s, err := Open(t.Context(), Config{
		Root:    t.TempDir(),
		Mirrors: map[string][]string{"docker.io": {down.URL, lacks.URL, r.URL}, "example.com": {r.URL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	i, err := s.Pull(t.Context(), "app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"app:v1"}, i.Names); d != "" {
		t.Error(d)
	}
	i, err = s.Pull(t.Context(), "example.com/library/app:v1", PullOptions{}, nil)
	if err != nil || len(i.Names) != 2 {
		t.Errorf("%v %v", i, err)
	}
}
