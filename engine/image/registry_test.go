package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// shelf is a registry in memory, whose answers a test can replace.
type shelf struct {
	*httptest.Server
	mu    sync.Mutex
	blobs map[digest.Digest][]byte
	types map[digest.Digest]string
	tags  map[string]digest.Digest // repository:tag
	asked []string                 // METHOD path
	// answer, when it returns true, has answered in the shelf's place.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func newShelf(tb testing.TB) *shelf {
	tb.Helper()
	s := &shelf{blobs: map[digest.Digest][]byte{}, types: map[digest.Digest]string{}, tags: map[string]digest.Digest{}}
	s.Server = httptest.NewServer(s)
	tb.Cleanup(s.Close)
	return s
}

// host is what the shelf is called in image names.
func (s *shelf) host() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *shelf) script(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// gets tells how many GET requests had that in their path.
func (s *shelf) gets(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if strings.HasPrefix(a, "GET ") && strings.Contains(a, part) {
			n++
		}
	}
	return n
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	s.serve(w, r)
}

func (s *shelf) serve(w http.ResponseWriter, r *http.Request) {
	d, ok := s.lookUp(r.URL.Path)
	s.mu.Lock()
	b, there := s.blobs[d]
	mediaType := s.types[d]
	s.mu.Unlock()
	if !ok || !there {
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Content-Type", mediaType)
	http.ServeContent(w, r, "", zeroTime, bytes.NewReader(b))
}

func (s *shelf) lookUp(path string) (digest.Digest, bool) {
	path = strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/"} {
		repository, name, ok := strings.Cut(path, kind)
		if !ok {
			continue
		}
		if d, err := digest.Parse(name); err == nil {
			return d, true
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		d, ok := s.tags[repository+":"+name]
		return d, ok
	}
	return "", false
}

func (s *shelf) put(mediaType string, b []byte) ocispec.Descriptor {
	d := describeBytes(mediaType, b)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[d.Digest], s.types[d.Digest] = b, mediaType
	return d
}

func (s *shelf) putJSON(tb testing.TB, mediaType string, v any) ocispec.Descriptor {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return s.put(mediaType, b)
}

func (s *shelf) tag(name string, d ocispec.Descriptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[name] = d.Digest
}

// img is an image to be made: files of each layer, and the config.
type img struct {
	layers []map[string]string
	config runConfig
	arch   string
	plain  bool // layers are not compressed
}

// push makes an image and names it repository:tag.
func (s *shelf) push(tb testing.TB, name string, i img) ocispec.Descriptor {
	tb.Helper()
	d := s.make(tb, i)
	s.tag(name, d)
	return d
}

func (s *shelf) make(tb testing.TB, i img) ocispec.Descriptor {
	tb.Helper()
	if i.arch == "" {
		i.arch = "amd64"
	}
	c := configFile{Config: i.config, Platform: ocispec.Platform{OS: "linux", Architecture: i.arch}, RootFS: rootFS{Type: "layers"}}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for _, files := range i.layers {
		b := tarOf(tb, files)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(b))
		if i.plain {
			m.Layers = append(m.Layers, s.put(ocispec.MediaTypeImageLayer, b))
		} else {
			m.Layers = append(m.Layers, s.put(ocispec.MediaTypeImageLayerGzip, gzipped(tb, b)))
		}
	}
	m.Config = s.putJSON(tb, ocispec.MediaTypeImageConfig, c)
	d := s.putJSON(tb, ocispec.MediaTypeImageManifest, m)
	d.Platform = &c.Platform
	return d
}

func (s *shelf) index(tb testing.TB, name string, manifests ...ocispec.Descriptor) ocispec.Descriptor {
	tb.Helper()
	d := s.putJSON(tb, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests,
	})
	s.tag(name, d)
	return d
}

// manifest reads back what was pushed.
func (s *shelf) manifest(tb testing.TB, d ocispec.Descriptor) ocispec.Manifest {
	tb.Helper()
	var m ocispec.Manifest
	if err := json.Unmarshal(s.blobs[d.Digest], &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

// tarOf packs files by name; a name with a slash at its end is a folder.
func tarOf(tb testing.TB, files map[string]string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range sortedKeys(files) {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(tb testing.TB, plain []byte) []byte {
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

func needRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatal("needs root")
	}
	tb.Skip("needs root")
}

func status(code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, fmt.Sprintf(`{"errors":[{"code":"%d"}]}`, code), code)
		return true
	}
}
