package image

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"tiffin/tests/images"
)

// BenchmarkColdPull pulls the image that PULL names (postgres) from a real registry that serves REGISTRY, the
// folder of one; nothing of it is here. Nothing is deleted between two pulls: ext4 is slow to make files after
// many were deleted.
func BenchmarkColdPull(b *testing.B) {
	needRoot(b)
	dir := os.Getenv("REGISTRY")
	if dir == "" {
		b.Skip("REGISTRY is not set")
	}
	name := os.Getenv("PULL")
	if name == "" {
		name = "postgres"
	}
	r := serve(b, dir, images.RegistryOptions{ReadOnly: true})
	for b.Loop() {
		root := b.TempDir()
		s, err := Open(b.Context(), Config{Root: root, Mirrors: map[string][]string{"docker.io": {"http://" + r.Addr}}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Pull(b.Context(), name, PullOptions{}, nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// serve starts a real registry. It dies with the thread that started it, and threads that unpack a layer die, so
// it has a thread of its own.
func serve(tb testing.TB, dir string, o images.RegistryOptions) *images.Registry {
	tb.Helper()
	started, ended := make(chan *images.Registry), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		r, err := images.StartRegistry(context.Background(), dir, o, io.Discard)
		if err != nil {
			tb.Error(err)
		}
		started <- r
		<-ended
	}()
	r := <-started
	if r == nil {
		tb.FailNow()
	}
	tb.Cleanup(func() { _ = r.Close(); close(ended) })
	return r
}

func BenchmarkOpen(b *testing.B) {
	needRoot(b)
	root := filepath.Join(b.TempDir(), "images")
	for b.Loop() {
		s, err := Open(context.Background(), Config{Root: root})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkResolve is what each service of an up pays, and each start of a container.
func BenchmarkResolve(b *testing.B) {
	r := newShelf(b)
	r.push(b, "app:v1", img{layers: []map[string]string{{"a": "a"}, {"b": "b"}, {"c": "c"}}})
	s := open(b, filepath.Join(b.TempDir(), "images"))
	i, err := s.Pull(b.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Resolve(b.Context(), r.host()+"/app:v1", ""); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Rootfs(b.Context(), i.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdopt takes in an image of ten layers that was built again, all from the cache.
func BenchmarkAdopt(b *testing.B) {
	s := open(b, b.TempDir())
	build := newBuild(b, s)
	var i img
	for n := range 10 {
		i.layers = append(i.layers, map[string]string{strconv.Itoa(n): "layer"})
	}
	d := build.image(i)
	for b.Loop() {
		build.adopt(d, "app")
	}
}
