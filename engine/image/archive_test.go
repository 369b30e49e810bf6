package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
)

func save(t *testing.T, s *Store, refs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Save(t.Context(), &b, refs); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// members reads an archive.
func members(t *testing.T, b []byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = string(content)
	}
}

func TestSaveAndLoad(t *testing.T) {
	r, from, i := pulled(t)
	r.push(t, "multi:v1", img{})
	multi := r.index(t, "multi:v1",
		r.make(t, img{layers: []map[string]string{{"arch": "amd64"}}}),
		r.make(t, img{arch: "arm64", layers: []map[string]string{{"arch": "arm64"}}}))
	if _, err := from.Pull(t.Context(), r.host()+"/multi:v1", PullOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := from.Tag(t.Context(), r.host()+"/app:v1", "app:v1"); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"a:1", "a:2"} {
		if err := from.Tag(t.Context(), r.host()+"/multi:v1", n); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		refs, names []string
	}{
		"by name":                           {[]string{"app:v1"}, []string{"app:v1"}},
		"two names of one, and another one": {[]string{"a:1", "a:2", "app:v1"}, []string{"a:1", "a:2", "app:v1"}},
		"by ID, without a name":             {[]string{i.ID}, []string{i.ID}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			archive := save(t, from, c.refs...)
			z, err := zstd.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			for compression, b := range map[string][]byte{
				"plain": archive, "gzip": gzipped(t, archive), "zstd": z.EncodeAll(archive, nil),
			} {
				to := open(t, t.TempDir())
				got, err := to.Load(t.Context(), bytes.NewReader(b), nil)
				if err != nil {
					t.Fatalf("%s: %v", compression, err)
				}
				slices.Sort(got)
				if d := cmp.Diff(c.names, got); d != "" {
					t.Errorf("%s: %s", compression, d)
				}
				for _, n := range got {
					want, err := from.Resolve(t.Context(), n, "")
					if err != nil {
						t.Fatal(err)
					}
					i, err := to.Resolve(t.Context(), n, "")
					if err != nil {
						t.Fatal(err)
					}
					if i.ID != want.ID || !cmp.Equal(i.Layers, want.Layers) {
						t.Errorf("%s became %s", want.ID, i.ID)
					}
					if d := cmp.Diff(files(t, from, want.ID), files(t, to, i.ID)); d != "" {
						t.Error(d)
					}
				}
				// Saved again, it is the same, but for the order in manifest.json.
				again, before := members(t, save(t, to, c.refs...)), members(t, archive)
				delete(again, "manifest.json")
				delete(before, "manifest.json")
				if d := cmp.Diff(before, again); d != "" {
					t.Errorf("%s: %s", compression, d)
				}
			}
		})
	}
	t.Run("docker finds its manifest.json", func(t *testing.T) {
		m := members(t, save(t, from, "app:v1", "a:1"))
		var list []struct {
			Config   string
			RepoTags []string
			Layers   []string
		}
		if err := json.Unmarshal([]byte(m["manifest.json"]), &list); err != nil || len(list) != 2 {
			t.Fatalf("%v %s", err, m["manifest.json"])
		}
		for _, i := range list {
			if _, ok := m[i.Config]; !ok || len(i.RepoTags) != 1 {
				t.Errorf("%+v", i)
			}
			for _, l := range i.Layers {
				if _, ok := m[l]; !ok {
					t.Errorf("layer %s is not there", l)
				}
			}
		}
		if strings.Contains(m["index.json"], multi.Digest.String()) {
			t.Error("an index was saved of which one platform is not here")
		}
	})
	t.Run("what is not there is not saved", func(t *testing.T) {
		if err := from.Save(t.Context(), io.Discard, []string{"nothere"}); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

// Loading kept the host's platform of an index alone: saved again, or pushed, the image was for one platform.
func TestLoadingKeepsEveryPlatform(t *testing.T) {
	r, from, _ := pulled(t)
	r.index(t, "multi:v1",
		r.make(t, img{layers: []map[string]string{{"arch": "amd64"}}}),
		r.make(t, img{arch: "arm64", layers: []map[string]string{{"arch": "arm64"}}}))
	name := r.host() + "/multi:v1"
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if _, err := from.Pull(t.Context(), name, PullOptions{Platform: p}, nil); err != nil {
			t.Fatal(err)
		}
	}
	archive := save(t, from, name)
	to := open(t, t.TempDir())
	if _, err := to.Load(t.Context(), bytes.NewReader(archive), nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(members(t, archive), members(t, save(t, to, name))); d != "" {
		t.Errorf("saved again (-was +is): %s", d)
	}
	i, err := to.Resolve(t.Context(), name, "")
	if err != nil || i.Platform != "linux/amd64" {
		t.Errorf("%v, %q", err, i.Platform)
	}
	if _, err := to.Remove(t.Context(), name, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if blobs, layers := left(t, to); blobs != 0 || layers != 0 {
		t.Errorf("%d blobs and %d layers are left of it", blobs, layers)
	}
}

// dockerArchive is what docker save wrote before it knew OCI layouts.
func dockerArchive(t *testing.T, tags []string, layers ...map[string]string) []byte {
	t.Helper()
	c := configFile{Config: runConfig{Cmd: []string{"/old"}}, Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: rootFS{Type: "layers"}}
	m := []map[string]any{{"Config": "config.json", "RepoTags": tags}}
	out := map[string]string{}
	var names []string
	for n, l := range layers {
		b := tarOf(t, l)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(b))
		name := string(rune('a'+n)) + "/layer.tar"
		out[name] = string(b)
		names = append(names, name)
	}
	m[0]["Layers"] = names
	for name, v := range map[string]any{"config.json": c, "manifest.json": m} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return tarOf(t, out)
}

func TestLoadOfOtherArchives(t *testing.T) {
	s := open(t, t.TempDir())
	load := func(b []byte) ([]string, error) { return s.Load(t.Context(), bytes.NewReader(b), nil) }
	t.Run("docker's old format", func(t *testing.T) {
		got, err := load(dockerArchive(t, []string{"old:v1", "old:v2"}, map[string]string{"a": "1"}, map[string]string{"b": "2"}))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"old:v1", "old:v2"}, got); d != "" {
			t.Error(d)
		}
		i, err := s.Resolve(t.Context(), "old:v2", "")
		if err != nil || i.Config.Cmd[0] != "/old" {
			t.Fatalf("%+v %v", i, err)
		}
		if d := cmp.Diff(map[string]string{"a": "1", "b": "2"}, files(t, s, i.ID)); d != "" {
			t.Error(d)
		}
	})
	t.Run("an OCI layout whose names are but tags", func(t *testing.T) {
		r := newShelf(t)
		d := r.make(t, img{layers: []map[string]string{{"a": "1"}}})
		d.Annotations = map[string]string{ocispec.AnnotationRefName: "v1"}
		got, err := load(layout(t, r, d))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{r.manifest(t, d).Config.Digest.String()}, got); d != "" {
			t.Error(d)
		}
	})
	t.Run("an OCI layout with a full name", func(t *testing.T) {
		r := newShelf(t)
		d := r.make(t, img{layers: []map[string]string{{"a": "1"}}})
		d.Annotations = map[string]string{ocispec.AnnotationRefName: "docker.io/library/full:v1"}
		got, err := load(layout(t, r, d))
		if err != nil || !cmp.Equal(got, []string{"full:v1"}) {
			t.Errorf("%v %v", got, err)
		}
	})
	blobs, layers := left(t, s)
	for name, b := range map[string][]byte{
		"nothing": nil, "no archive": []byte(strings.Repeat("hello ", 500)), "an archive of files": tarOf(t, map[string]string{"a": "1"}),
		"a layer that is not there": tarOf(t, map[string]string{"manifest.json": `[{"Config":"c","Layers":["l"]}]`, "c": "{}"}),
		"a layer that was changed":  bytes.Replace(dockerArchive(t, nil, map[string]string{"a": "original"}), []byte("original"), []byte("replaced"), 1),
		"an empty layout":           layout(t, newShelf(t)),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := load(b); !errors.Is(err, engine.ErrInvalid) {
				t.Errorf("loaded %v: %v", got, err)
			}
			if b, l := left(t, s); b != blobs || l != layers {
				t.Errorf("%d blobs and %d layers are left over", b-blobs, l-layers)
			}
		})
	}
}

// layout is an OCI layout of all that is on the shelf.
func layout(t *testing.T, r *shelf, images ...ocispec.Descriptor) []byte {
	t.Helper()
	idx, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: images})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": string(idx)}
	for d, b := range r.blobs {
		out["blobs/sha256/"+d.Encoded()] = string(b)
	}
	return tarOf(t, out)
}

func TestImport(t *testing.T) {
	s := open(t, t.TempDir())
	plain := tarOf(t, map[string]string{"bin/": "", "bin/sh": "shell"})
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	config := engine.ImageConfig{Cmd: []string{"/bin/sh"}, Env: []string{"A=1"}, Volumes: []string{"/v"}, Expose: []string{"1/tcp"}}
	for name, b := range map[string][]byte{"plain": plain, "gzip": gzipped(t, plain), "zstd": z.EncodeAll(plain, nil)} {
		t.Run(name, func(t *testing.T) {
			i, err := s.Import(t.Context(), bytes.NewReader(b), &call.ImportRequest{Name: "imported:" + name, Config: config})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(config, i.Config); d != "" || !cmp.Equal(i.Names, []string{"imported:" + name}) || i.Created.IsZero() {
				t.Errorf("%s %+v", d, i)
			}
			if d := cmp.Diff(map[string]string{"bin/sh": "shell"}, files(t, s, i.ID)); d != "" {
				t.Error(d)
			}
			to := open(t, t.TempDir())
			if got, err := to.Load(t.Context(), bytes.NewReader(save(t, s, "imported:"+name)), nil); err != nil || len(got) != 1 {
				t.Errorf("saved and loaded: %v %v", got, err)
			}
		})
	}
	if _, layers := left(t, s); layers != 1 {
		t.Errorf("one layer, three times: %d", layers)
	}
	if _, err := s.Import(t.Context(), strings.NewReader(strings.Repeat("no tar ", 500)), &call.ImportRequest{Name: "x", Config: config}); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Import(t.Context(), bytes.NewReader(plain), &call.ImportRequest{Name: "UPPER", Config: config}); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
