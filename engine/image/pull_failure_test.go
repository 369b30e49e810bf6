package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// big is a layer that does not come in one piece.
func big(tb testing.TB) map[string]string {
	tb.Helper()
	b := make([]byte, 3<<20)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return map[string]string{"big": string(b)}
}

// nothingHere fails unless the store has no image, and GC leaves no blob and no layer.
func nothingHere(t *testing.T, s *Store) {
	t.Helper()
	list, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 0 {
		t.Errorf("images: %v", list)
	}
}

// first scripts the first n requests whose path has part in it.
func first(n int32, part string, f func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	var seen atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, part) || r.Method != http.MethodGet || seen.Add(1) > n {
			return false
		}
		return f(w, r)
	}
}

func (s *shelf) blob(path string) []byte {
	d, _ := s.lookUp(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blobs[d]
}

// damaged answers with a bit turned.
func (s *shelf) damaged(w http.ResponseWriter, req *http.Request) bool {
	b := bytes.Clone(s.blob(req.URL.Path))
	b[len(b)/2] ^= 1
	_, _ = w.Write(b)
	return true
}

// hangUp ends the connection without a word.
func hangUp(w http.ResponseWriter, _ *http.Request) bool {
	c, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = c.Close()
	}
	return true
}

func TestPullOvercomes(t *testing.T) {
	half := func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, req *http.Request) bool {
			b := r.blob(req.URL.Path)
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			_, _ = w.Write(b[:len(b)/2])
			return true
		}
	}
	cases := map[string]func(r *shelf) func(http.ResponseWriter, *http.Request) bool{
		"a layer that is cut off": func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
			return first(1, "/blobs/", half(r))
		},
		"a connection that is lost": func(*shelf) func(http.ResponseWriter, *http.Request) bool { return first(2, "/blobs/", hangUp) },
		"500, 502 and 503":          func(*shelf) func(http.ResponseWriter, *http.Request) bool { return first(2, "/blobs/", status(503)) },
		"a manifest that is not there at first": func(*shelf) func(http.ResponseWriter, *http.Request) bool {
			return first(1, "/manifests/", status(502))
		},
		"429 with Retry-After": func(*shelf) func(http.ResponseWriter, *http.Request) bool {
			return first(1, "/blobs/", func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Retry-After", "1")
				return status(429)(w, r)
			})
		},
		"a config that arrives damaged once": func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
			return first(1, "/blobs/", r.damaged)
		},
		"a layer that arrives damaged once": func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
			once := first(1, "/blobs/", r.damaged)
			return func(w http.ResponseWriter, req *http.Request) bool {
				return len(r.blob(req.URL.Path)) > 1<<20 && once(w, req)
			}
		},
		"a registry that falls silent": func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
			return first(1, "/blobs/", func(w http.ResponseWriter, req *http.Request) bool {
				half(r)(w, req)
				_ = http.NewResponseController(w).Flush()
				<-req.Context().Done()
				return true
			})
		},
		"a registry without ranges": func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
			cut := first(1, "/blobs/", half(r))
			return func(w http.ResponseWriter, req *http.Request) bool {
				req.Header.Del("Range")
				return cut(w, req)
			}
		},
	}
	for name, script := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newShelf(t)
			r.push(t, "app:v1", img{layers: []map[string]string{big(t)}, plain: true})
			r.script(script(r))
			s := open(t, t.TempDir())
			i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := files(t, s, i.ID)["big"]; got != big(t)["big"] {
				t.Error("the file is another")
			}
		})
	}
}

func TestPullFails(t *testing.T) {
	everyBlob := func(f func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
		return first(1<<30, "/blobs/", f)
	}
	cases := map[string]struct {
		script func(r *shelf) func(http.ResponseWriter, *http.Request) bool
		name   string
		kind   error
		text   string // HOST stands for the registry
	}{
		"an image that is not there": {
			nil, "nothere:v1", engine.ErrNotFound, `image "HOST/nothere:v1" not found in registry HOST`,
		},
		"another bytes than promised, twice": {
			func(r *shelf) func(http.ResponseWriter, *http.Request) bool { return everyBlob(r.damaged) },
			"app:v1", engine.ErrInvalid, "the registry sent something else",
		},
		"more bytes than promised": {
			func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
				return everyBlob(func(w http.ResponseWriter, req *http.Request) bool {
					_, _ = w.Write(append(bytes.Clone(r.blob(req.URL.Path)), "more"...))
					return true
				})
			}, "app:v1", engine.ErrInvalid, "the registry sent something else",
		},
		"500 for ever": {
			func(*shelf) func(http.ResponseWriter, *http.Request) bool { return status(500) }, "app:v1", engine.ErrUnavailable,
			"registry HOST answered 500 Internal Server Error, 5 times",
		},
		"401 for ever": {
			func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
				return func(w http.ResponseWriter, req *http.Request) bool {
					if req.URL.Path == "/token" {
						_, _ = io.WriteString(w, `{"token":"t"}`)
						return true
					}
					w.Header().Set("WWW-Authenticate", `Bearer realm="`+r.URL+`/token",service="x"`)
					return status(401)(w, req)
				}
			}, "app:v1", engine.ErrDenied, `image "HOST/app:v1" is not there, or needs a login at registry HOST`,
		},
		"401 that wants a password": {
			func(*shelf) func(http.ResponseWriter, *http.Request) bool {
				return func(w http.ResponseWriter, req *http.Request) bool {
					w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
					return status(401)(w, req)
				}
			}, "app:v1", engine.ErrDenied, `image "HOST/app:v1" is not there, or needs a login at registry HOST`,
		},
		"a redirect loop": {
			func(*shelf) func(http.ResponseWriter, *http.Request) bool {
				return everyBlob(func(w http.ResponseWriter, req *http.Request) bool {
					http.Redirect(w, req, req.URL.Path, http.StatusTemporaryRedirect)
					return true
				})
			}, "app:v1", engine.ErrUnavailable, "more than 10 redirects",
		},
		"a manifest of 10 GB": {
			func(*shelf) func(http.ResponseWriter, *http.Request) bool {
				return func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Content-Length", "10000000000")
					w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
					return true
				}
			}, "app:v1", engine.ErrInvalid, "too large",
		},
		"a manifest without end": {
			func(*shelf) func(http.ResponseWriter, *http.Request) bool {
				return func(w http.ResponseWriter, req *http.Request) bool {
					w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
					if req.Method == http.MethodHead {
						return true
					}
					for b := make([]byte, 1<<20); ; {
						if _, err := w.Write(b); err != nil {
							return true
						}
					}
				}
			}, "app:v1", engine.ErrInvalid, "too large",
		},
		"a manifest that is another at each request": {
			func(r *shelf) func(http.ResponseWriter, *http.Request) bool {
				return func(w http.ResponseWriter, req *http.Request) bool {
					if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/manifests/") {
						return false
					}
					w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
					_, _ = w.Write(append([]byte(" "), r.blob(req.URL.Path)...))
					return true
				}
			}, "app:v1", engine.ErrInvalid, "the registry sent something else",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newShelf(t)
			r.push(t, "app:v1", img{layers: []map[string]string{{"a": "a"}}})
			if c.script != nil {
				r.script(c.script(r))
			}
			s := open(t, t.TempDir())
			var j journal
			_, err := s.Pull(t.Context(), r.host()+"/"+c.name, PullOptions{}, j.report)
			want := strings.ReplaceAll(c.text, "HOST", r.host())
			if err == nil || !errors.Is(err, c.kind) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v (kind %v), want %s (%v)", err, kindOf(err), want, c.kind)
			}
			if got := j.words("Image " + r.host() + "/" + c.name); got != "Pulling, Error" {
				t.Errorf("told: %s", got)
			}
			nothingHere(t, s)
		})
	}
	t.Run("a registry that is down", func(t *testing.T) {
		r := newShelf(t)
		r.Close()
		s := open(t, t.TempDir())
		_, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
		if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "registry "+r.host()+" is not reachable: dial tcp") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a reference that is none", func(t *testing.T) {
		s := open(t, t.TempDir())
		for _, ref := range []string{"", "UPPER", "a b", "nginx@sha256:12", "nginx@md5:d41d8cd98f00b204e9800998ecf8427e"} {
			if _, err := s.Pull(t.Context(), ref, PullOptions{}, nil); !errors.Is(err, engine.ErrInvalid) {
				t.Errorf("%q: %v", ref, err)
			}
		}
	})
}

func TestRefusedImages(t *testing.T) {
	versioned := specs.Versioned{SchemaVersion: 2}
	cases := map[string]struct {
		make func(r *shelf) ocispec.Descriptor
		text string
	}{
		"a diff ID that is another's": {func(r *shelf) ocispec.Descriptor {
			layer := r.put(ocispec.MediaTypeImageLayer, tarOf(t, map[string]string{"a": "a"}))
			config := r.putJSON(t, ocispec.MediaTypeImageConfig, configFile{RootFS: rootFS{"layers", []digest.Digest{digest.FromString("x")}}})
			return r.putJSON(t, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: versioned, Config: config, Layers: []ocispec.Descriptor{layer}})
		}, "the image's config promises"},
		"a layer that is no archive": {func(r *shelf) ocispec.Descriptor {
			b := []byte(strings.Repeat("not an archive", 100))
			layer := r.put(ocispec.MediaTypeImageLayer, b)
			config := r.putJSON(t, ocispec.MediaTypeImageConfig, configFile{RootFS: rootFS{"layers", []digest.Digest{digest.FromBytes(b)}}})
			return r.putJSON(t, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: versioned, Config: config, Layers: []ocispec.Descriptor{layer}})
		}, "unpack the layer"},
		"something that is no image": {func(r *shelf) ocispec.Descriptor {
			config := r.putJSON(t, "application/vnd.cncf.helm.config.v1+json", map[string]string{})
			return r.putJSON(t, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: versioned, Config: config})
		}, "not a container image"},
		"an image for others only": {func(r *shelf) ocispec.Descriptor {
			other := r.make(t, img{arch: "s390x"})
			return r.index(t, "x:y", other)
		}, `is not made for linux/`},
		"a manifest with manifests": {func(r *shelf) ocispec.Descriptor {
			good := r.make(t, img{layers: []map[string]string{{"a": "a"}}})
			b := r.blobs[good.Digest]
			return r.put(ocispec.MediaTypeImageManifest, append(b[:len(b)-1:len(b)-1], `,"manifests":[]}`...))
		}, "has no manifests"},
		"a key that comes twice": {func(r *shelf) ocispec.Descriptor {
			good := r.make(t, img{layers: []map[string]string{{"a": "a"}}})
			b := r.blobs[good.Digest]
			return r.put(ocispec.MediaTypeImageManifest, append(b[:len(b)-1:len(b)-1], `,"Layers":[]}`...))
		}, "comes twice"},
		"a size that is a lie": {func(r *shelf) ocispec.Descriptor {
			good := r.manifest(t, r.make(t, img{layers: []map[string]string{big(t)}}))
			good.Layers[0].Size--
			return r.putJSON(t, ocispec.MediaTypeImageManifest, good)
		}, "the registry sent something else"},
		"a layer of an exabyte": {func(r *shelf) ocispec.Descriptor {
			good := r.manifest(t, r.make(t, img{layers: []map[string]string{{"a": "a"}}}))
			good.Layers[0].Size = 1 << 60
			good.Layers[0].Digest = digest.FromString("nobody has it")
			return r.putJSON(t, ocispec.MediaTypeImageManifest, good)
		}, "not enough space"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newShelf(t)
			r.tag("app:v1", c.make(r))
			s := open(t, t.TempDir())
			_, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
			if err == nil || !strings.Contains(err.Error(), c.text) || kindOf(err) == nil {
				t.Errorf("got %v (kind %v), want %s", err, kindOf(err), c.text)
			}
			nothingHere(t, s)
		})
	}
}

func TestForeignURLsAreNotAsked(t *testing.T) {
	elsewhere := newShelf(t)
	r := newShelf(t)
	d := r.push(t, "app:v1", img{layers: []map[string]string{{"a": "a"}}})
	m := r.manifest(t, d)
	m.Layers[0].URLs = []string{elsewhere.URL + "/layer"}
	r.tag("app:v1", r.putJSON(t, ocispec.MediaTypeImageManifest, m))
	s := open(t, t.TempDir())
	if _, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if len(elsewhere.asked) > 0 {
		t.Errorf("asked: %v", elsewhere.asked)
	}
}

func TestACancelledPullEndsAtOnceAndTheNextOneGoesOn(t *testing.T) {
	r := newShelf(t)
	d := r.push(t, "app:v1", img{layers: []map[string]string{big(t)}, plain: true})
	size := r.manifest(t, d).Layers[0].Size
	stuck := make(chan struct{})
	var once sync.Once
	var resumed atomic.Value
	resumed.Store("")
	r.script(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, r.manifest(t, d).Layers[0].Digest.String()) {
			return false
		}
		if rng := req.Header.Get("Range"); rng != "" {
			resumed.Store(rng)
			return false
		}
		b := r.blob(req.URL.Path)
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b[:2<<20])
		_ = http.NewResponseController(w).Flush()
		once.Do(func() { close(stuck) })
		<-req.Context().Done()
		return true
	})
	root := t.TempDir()
	s := open(t, root)
	s.registry.Close()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := s.Pull(ctx, r.host()+"/app:v1", PullOptions{}, nil)
		failed <- err
	}()
	<-stuck
	// The first megabyte has been written when the reader asks for the third.
	waitFor(t, func() bool { return ingested(t, root) >= 1<<20 })
	cancel()
	begun := time.Now()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begun); d > time.Second {
		t.Errorf("it took %s to stop", d)
	}
	nothingHere(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, root)
	i, err := again.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resumed.Load() == "" {
		t.Errorf("the layer of %d bytes was fetched from its beginning", size)
	}
	if files(t, again, i.ID)["big"] != big(t)["big"] {
		t.Error("the file is another")
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited for too long")
		}
	}
}

// ingested is how many bytes of blobs that are not complete lie in a store.
func ingested(t *testing.T, root string) int64 {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "content/ingest/*/data"))
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			n += info.Size()
		}
	}
	return n
}

func TestManyPullsOfOneImageAreOne(t *testing.T) {
	r := newShelf(t)
	d := r.push(t, "app:v1", img{layers: []map[string]string{big(t), {"b": "b"}}})
	s := open(t, t.TempDir())
	var g sync.WaitGroup
	ids := make([]string, 50)
	for n := range ids {
		g.Go(func() {
			i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
			if err != nil {
				t.Error(err)
			}
			ids[n] = i.ID
		})
	}
	g.Wait()
	for _, id := range ids {
		if id != r.manifest(t, d).Config.Digest.String() {
			t.Errorf("got %s", id)
		}
	}
	for _, l := range r.manifest(t, d).Layers {
		if n := r.gets(l.Digest.String()); n != 1 {
			t.Errorf("the layer was fetched %d times", n)
		}
	}
}

func TestImagesWithCommonLayersFetchThemOnce(t *testing.T) {
	r := newShelf(t)
	base := big(t)
	names := []string{"a:v1", "b:v1", "c:v1", "d:v1"}
	var layer digest.Digest
	for _, n := range names {
		d := r.push(t, n, img{layers: []map[string]string{base, {n: "x"}}})
		layer = r.manifest(t, d).Layers[0].Digest
	}
	s := open(t, t.TempDir())
	var g sync.WaitGroup
	for _, n := range names {
		g.Go(func() {
			i, err := s.Pull(t.Context(), r.host()+"/"+n, PullOptions{}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if got := files(t, s, i.ID); got[n] != "x" || got["big"] != base["big"] {
				t.Errorf("%s: %d files", n, len(got))
			}
		})
	}
	g.Wait()
	if n := r.gets(layer.String()); n != 1 {
		t.Errorf("the common layer was fetched %d times", n)
	}
}

func TestPlatforms(t *testing.T) {
	r := newShelf(t)
	arm := r.make(t, img{arch: "arm64", layers: []map[string]string{{"arch": "arm64"}}})
	amd := r.make(t, img{layers: []map[string]string{{"arch": "amd64"}}})
	attestation := r.put(ocispec.MediaTypeImageManifest, []byte(`{}`))
	attestation.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	target := r.index(t, "app:v1", attestation, arm, amd)
	s := open(t, t.TempDir())
	name := r.host() + "/app:v1"
	for _, c := range []struct{ ask, want string }{{"", "amd64"}, {"linux/arm64", "arm64"}, {"linux/amd64", "amd64"}} {
		i, err := s.Pull(t.Context(), name, PullOptions{Platform: c.ask}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := files(t, s, i.ID)["arch"]; got != c.want || i.Digest != target.Digest.String() {
			t.Errorf("asked for %q: got %s, %s", c.ask, got, i.Digest)
		}
	}
	for ask, want := range map[string]string{"": "linux/amd64", "linux/arm64": "linux/arm64"} {
		i, err := s.Resolve(t.Context(), name, ask)
		if err != nil || i.Platform != want {
			t.Errorf("resolve for %q: %s, %v", ask, i.Platform, err)
		}
	}
	if _, err := s.Resolve(t.Context(), name, "linux/s390x"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("got %v, %v", list, err)
	}
	t.Run("by digest", func(t *testing.T) {
		ref := r.host() + "/app@" + target.Digest.String()
		i, err := s.Pull(t.Context(), ref, PullOptions{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i.Platform != "linux/amd64" || len(i.Names) != 1 {
			t.Errorf("got %+v", i)
		}
	})
}
