package image

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// build is what BuildKit leaves in the store: snapshots with names of its own, blobs and documents with labels, all
// of it under one lease.
type build struct {
	testing.TB
	store *Store
	ctx   context.Context //nolint:containedctx // it carries the lease
	lease lease
	tops  map[digest.Digest]string
	dirs  map[string]string // by snapshot
}

func newBuild(tb testing.TB, s *Store) *build {
	tb.Helper()
	l, ctx, err := s.lease(within(tb.Context()))
	if err != nil {
		tb.Fatal(err)
	}
	return &build{TB: tb, store: s, ctx: ctx, lease: l, tops: map[digest.Digest]string{}, dirs: map[string]string{}}
}

func (b *build) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// snapshot makes one of files, on a parent.
func (b *build) snapshot(parent string, files map[string]string) string {
	b.Helper()
	active, key := "mutable "+rand.Text(), rand.Text()
	mounts, err := b.store.snapshots.Prepare(b.ctx, active, parent)
	b.must(err)
	dir, _, err := b.store.foldersOf(mounts)
	b.must(err)
	for name, text := range files {
		b.must(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		b.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	b.must(b.store.snapshots.Commit(b.ctx, key, active))
	b.dirs[key] = dir
	return key
}

func (b *build) blob(mediaType string, data []byte, keeps ...digest.Digest) ocispec.Descriptor {
	b.Helper()
	d := describeBytes(mediaType, data)
	labels := map[string]string{}
	for i, k := range keeps {
		labels[fmt.Sprintf("containerd.io/gc.ref.content.%d", i)] = k.String()
	}
	b.must(content.WriteBlob(b.ctx, b.store.content, d.Digest.String(), bytes.NewReader(data), d, content.WithLabels(labels)))
	return d
}

func (b *build) document(mediaType string, v any, keeps ...digest.Digest) ocispec.Descriptor {
	b.Helper()
	data, err := json.Marshal(v)
	b.must(err)
	return b.blob(mediaType, data, keeps...)
}

func digests(list ...ocispec.Descriptor) []digest.Digest {
	var all []digest.Digest
	for _, d := range list {
		all = append(all, d.Digest)
	}
	return all
}

// image makes a manifest, with a layer and a snapshot for each of the folders.
func (b *build) image(i img) ocispec.Descriptor {
	b.Helper()
	if i.arch == "" {
		i.arch = "amd64"
	}
	c := configFile{Config: i.config, Platform: ocispec.Platform{OS: "linux", Architecture: i.arch}, RootFS: rootFS{Type: "layers"}}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	top := ""
	for _, files := range i.layers {
		top = b.snapshot(top, files)
		plain := tarOf(b.TB, files)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(plain))
		m.Layers = append(m.Layers, b.blob(ocispec.MediaTypeImageLayerGzip, gzipped(b.TB, plain)))
	}
	m.Config = b.document(ocispec.MediaTypeImageConfig, c)
	d := b.document(m.MediaType, m, digests(partsOf(m)...)...)
	d.Platform = &c.Platform
	if top != "" {
		b.tops[d.Digest] = top
	}
	return d
}

// attestation says something about an image, as BuildKit does.
func (b *build) attestation(about ocispec.Descriptor) ocispec.Descriptor {
	b.Helper()
	statement := b.blob("application/vnd.in-toto+json", []byte(`{"about":"`+about.Digest.String()+`"}`))
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: b.blob("application/vnd.oci.empty.v1+json", []byte("{}")), Layers: []ocispec.Descriptor{statement},
	}
	d := b.document(m.MediaType, m, digests(partsOf(m)...)...)
	d.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{annotationType: "attestation-manifest", "vnd.docker.reference.digest": about.Digest.String()}
	return d
}

func (b *build) index(manifests ...ocispec.Descriptor) ocispec.Descriptor {
	b.Helper()
	return b.document(ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests,
	}, digests(manifests...)...)
}

func (b *build) adopt(target ocispec.Descriptor, names ...string) engine.Image {
	b.Helper()
	i, err := b.store.Adopt(b.ctx, target, names, b.tops)
	b.must(err)
	return i
}

// end is the end of the build: its lease goes, and what nothing else needs.
func (b *build) end() {
	b.Helper()
	b.must(b.store.drop(b.ctx, b.lease))
	b.must(b.store.GC(b.ctx))
}

func lower(t *testing.T, s *Store, imageID string) []string {
	t.Helper()
	l, err := s.Rootfs(t.Context(), imageID)
	if err != nil {
		t.Fatal(err)
	}
	return l.Lower
}

// folders are the build's own, from a manifest's top down.
func (b *build) folders(manifest ocispec.Descriptor) []string {
	b.Helper()
	var list []string
	for key := b.tops[manifest.Digest]; key != ""; {
		info, err := b.store.snapshots.Stat(b.ctx, key)
		b.must(err)
		list = append(list, info.Labels[labelUpper])
		key = info.Parent
	}
	return list
}

var twoLayers = img{layers: []map[string]string{{"a": "a", "d/x": "x"}, {"b": "b"}}, config: runConfig{Cmd: []string{"/b"}}}

func TestAdoptTakesTheBuildsOwnFolders(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	d := b.image(twoLayers)
	i := b.adopt(d, "app", "registry.example.com/app:v2")
	if got := lower(t, s, i.ID); !slices.Equal(got, b.folders(d)) || len(got) != 2 {
		t.Errorf("its folders are %v, not %v", got, b.folders(d))
	}
	if w := cmp.Diff([]string{"app:latest", "registry.example.com/app:v2"}, i.Names); w != "" || i.Config.Cmd[0] != "/b" {
		t.Error(w, i.Config)
	}
	b.end()
	want := map[string]string{"a": "a", "d/x": "x", "b": "b"}
	if d := cmp.Diff(want, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
	if blobs, layers := left(t, s); blobs != 4 || layers != 2 {
		t.Errorf("%d blobs and %d layers", blobs, layers)
	}
	s.syncs.Wait()
	if got := marks(t, s); got != nil {
		t.Errorf("leases are left: %v", got)
	}
	before := lower(t, s, i.ID)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.root)
	if got := lower(t, s, i.ID); !slices.Equal(got, before) {
		t.Errorf("opened again, its folders are %v, were %v", got, before)
	}
	t.Run("and lets go of them", func(t *testing.T) {
		if _, err := s.Remove(t.Context(), i.ID, RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		if blobs, layers := left(t, s); blobs+layers > 0 {
			t.Errorf("%d blobs and %d layers are left", blobs, layers)
		}
	})
}

// A build may have less snapshots than layers: what it merges lies in one.
func TestAdoptAsksNotHowManySnapshotsThereAre(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	d := b.image(twoLayers)
	b.tops[d.Digest] = b.snapshot("", map[string]string{"a": "a", "d/x": "x", "b": "b"})
	i := b.adopt(d, "app")
	b.end()
	if got := files(t, s, i.ID); len(got) != 3 {
		t.Errorf("files: %v", got)
	}
	if _, layers := left(t, s); layers != 1 {
		t.Errorf("%d layers", layers)
	}
}

// Containers may stand on the folders of an image: whichever way it comes again, they stay where they are.
func TestAnImageThatComesAgainKeepsItsFolders(t *testing.T) {
	again := map[string]func(*testing.T, *Store){
		"built": func(t *testing.T, s *Store) {
			t.Helper()
			b := newBuild(t, s)
			b.adopt(b.image(twoLayers), "app")
			b.end()
		},
		"pulled": func(t *testing.T, s *Store) {
			t.Helper()
			r := newShelf(t)
			r.push(t, "app:v1", twoLayers)
			if _, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil); err != nil {
				t.Fatal(err)
			}
		},
		"loaded": func(t *testing.T, s *Store) {
			t.Helper()
			if _, err := s.Load(t.Context(), bytes.NewReader(save(t, s, "app")), nil); err != nil {
				t.Fatal(err)
			}
		},
	}
	first := map[string]func(*testing.T, *Store) engine.Image{
		"built": func(t *testing.T, s *Store) engine.Image {
			t.Helper()
			b := newBuild(t, s)
			i := b.adopt(b.image(twoLayers), "app")
			b.end()
			return i
		},
		"pulled": func(t *testing.T, s *Store) engine.Image {
			t.Helper()
			r := newShelf(t)
			r.push(t, "app:v1", twoLayers)
			i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Tag(t.Context(), i.ID, "app"); err != nil {
				t.Fatal(err)
			}
			return i
		},
	}
	for was, make := range first {
		for name, come := range again {
			t.Run(was+", then "+name, func(t *testing.T) {
				s := open(t, t.TempDir())
				i := make(t, s)
				before := lower(t, s, i.ID)
				come(t, s)
				if _, layers := left(t, s); name == "pulled" && layers != 2 {
					t.Errorf("it was unpacked again: %d layers", layers)
				}
				if err := s.GC(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := lower(t, s, i.ID); !slices.Equal(got, before) {
					t.Errorf("its folders are %v, were %v", got, before)
				}
				if got := files(t, s, i.ID); len(got) != 3 {
					t.Errorf("files: %v", got)
				}
				if _, layers := left(t, s); layers != 2 {
					t.Errorf("%d layers", layers)
				}
			})
		}
	}
}

func TestAnImageThatComesTwiceAtOnceKeepsTheFirstFolders(t *testing.T) {
	s := open(t, t.TempDir())
	late := newBuild(t, s)
	d := late.image(twoLayers)
	b, err := s.localBundle(late.ctx, d)
	late.must(err)
	late.must(s.unpackHere(late.ctx, b, newLayerLines(func(engine.Progress) {}, "", b)))
	i := late.adopt(d, "app") // before the other one has a name
	before := lower(t, s, i.ID)
	late.must(s.publish(late.ctx, late.lease, []string{"docker.io/library/late:latest"}, b))
	late.must(s.GC(late.ctx))
	if got := lower(t, s, i.ID); !slices.Equal(got, before) || len(files(t, s, i.ID)) != 3 {
		t.Errorf("its folders are %v, were %v", got, before)
	}
	if _, layers := left(t, s); layers != 2 {
		t.Errorf("%d layers", layers)
	}
}

func TestABuildThatIsNotAdoptedLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	b.index(b.image(twoLayers))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.root)
	if list, err := s.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("listed: %v %v", list, err)
	}
	if _, err := s.Resolve(t.Context(), "app", ""); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	b.store = s
	b.end()
	if blobs, layers := left(t, s); blobs+layers > 0 {
		t.Errorf("%d blobs and %d layers are left", blobs, layers)
	}
}

func TestAdoptOfAnIndex(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	host := b.image(twoLayers)
	other := b.image(img{arch: "arm64", layers: []map[string]string{{"arch": "arm64"}}})
	target := b.index(host, other, b.attestation(host), b.attestation(other))
	i := b.adopt(target, "app")
	b.end()
	list, err := s.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Platform != "linux/amd64" || list[1].Platform != "linux/arm64" {
		t.Fatalf("%+v %v", list, err)
	}
	if list[0].ID != i.ID {
		t.Errorf("the image is %s, not the host's %s", i.ID, list[0].ID)
	}
	for n, d := range []ocispec.Descriptor{host, other} {
		if got := lower(t, s, list[n].ID); !slices.Equal(got, b.folders(d)) {
			t.Errorf("%s: %v, not %v", list[n].Platform, got, b.folders(d))
		}
	}
	// The index; a manifest, a config, layers for each; two manifests, two statements, one config of attestations.
	if blobs, layers := left(t, s); blobs != 1+4+3+5 || layers != 3 {
		t.Errorf("%d blobs and %d layers", blobs, layers)
	}
	if _, err := s.Remove(t.Context(), "app", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if blobs, layers := left(t, s); blobs+layers > 0 {
		t.Errorf("%d blobs and %d layers are left", blobs, layers)
	}
}

func TestAttestationsAreSavedAndLoadedWithTheirIndex(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	host := b.image(twoLayers)
	i := b.adopt(b.index(b.attestation(host), host), "app")
	b.end()
	archive := save(t, s, "app")
	var list []struct{ Config string }
	if err := json.Unmarshal([]byte(members(t, archive)["manifest.json"]), &list); err != nil || len(list) != 1 ||
		list[0].Config != "blobs/sha256/"+digest.Digest(i.ID).Encoded() {
		t.Errorf("docker would find %v, %v", list, err)
	}
	to := open(t, t.TempDir())
	if got, err := to.Load(t.Context(), bytes.NewReader(archive), nil); err != nil || !slices.Equal(got, []string{"app:latest"}) {
		t.Fatalf("%v %v", got, err)
	}
	if all, err := to.List(t.Context()); err != nil || len(all) != 1 || all[0].ID != i.ID {
		t.Errorf("%+v %v", all, err)
	}
	if d := cmp.Diff(files(t, s, i.ID), files(t, to, i.ID)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(members(t, archive), members(t, save(t, to, "app"))); d != "" {
		t.Error(d)
	}
}

func TestAdoptMovesNames(t *testing.T) {
	_, s, old := pulled(t)
	name := old.Names[0]
	b := newBuild(t, s)
	i := b.adopt(b.image(twoLayers), name)
	if got, err := s.Resolve(t.Context(), name, ""); err != nil || got.ID != i.ID {
		t.Errorf("%s is %s: %v", name, got.ID, err)
	}
	if got, err := s.Resolve(t.Context(), old.ID, ""); err != nil || got.Names != nil {
		t.Errorf("the former is %v: %v", got, err)
	}
	t.Run("without a name, it is there by its ID", func(t *testing.T) {
		i := b.adopt(b.image(img{layers: []map[string]string{{"n": "n"}}}))
		if got, err := s.Resolve(t.Context(), i.ID, ""); err != nil || got.Names != nil {
			t.Errorf("%v %v", got, err)
		}
	})
	t.Run("one without layers has an empty folder", func(t *testing.T) {
		i := b.adopt(b.image(img{}), "empty")
		if got := lower(t, s, i.ID); !slices.Equal(got, []string{filepath.Join(s.root, emptyLayer)}) {
			t.Errorf("its folders are %v", got)
		}
	})
	t.Run("one without a snapshot is unpacked", func(t *testing.T) {
		d := b.image(img{layers: []map[string]string{{"only": "a blob"}}})
		delete(b.tops, d.Digest)
		i := b.adopt(d, "lazy")
		b.end()
		if d := cmp.Diff(map[string]string{"only": "a blob"}, files(t, s, i.ID)); d != "" {
			t.Error(d)
		}
	})
}

func TestAdoptRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	manifest := func(b *build, change func(*ocispec.Manifest)) ocispec.Descriptor {
		d := b.image(twoLayers)
		data, err := content.ReadBlob(b.ctx, s.content, d)
		b.must(err)
		var m ocispec.Manifest
		b.must(json.Unmarshal(data, &m))
		change(&m)
		changed := b.document(m.MediaType, m)
		b.tops[changed.Digest] = b.tops[d.Digest]
		return changed
	}
	gone := describeBytes(ocispec.MediaTypeImageLayerGzip, []byte("never here"))
	cases := map[string]func(*build) ocispec.Descriptor{
		"a target that is no image": func(b *build) ocispec.Descriptor {
			return b.blob(ocispec.MediaTypeImageLayer, []byte("x"))
		},
		"a manifest that is an index too": func(b *build) ocispec.Descriptor {
			return b.document(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "layers": []int{}, "manifests": []int{}})
		},
		"layers that the config does not know": func(b *build) ocispec.Descriptor {
			return manifest(b, func(m *ocispec.Manifest) { m.Layers = m.Layers[1:] })
		},
		"a layer that is not here": func(b *build) ocispec.Descriptor {
			return manifest(b, func(m *ocispec.Manifest) { m.Layers[1] = gone })
		},
		"a snapshot that is not here": func(b *build) ocispec.Descriptor {
			d := b.image(twoLayers)
			b.tops[d.Digest] = "nowhere"
			return d
		},
		"a snapshot that is written to": func(b *build) ocispec.Descriptor {
			d := b.image(twoLayers)
			_, err := s.snapshots.Prepare(b.ctx, "active", b.tops[d.Digest])
			b.must(err)
			b.tops[d.Digest] = "active"
			return d
		},
		"an index of attestations": func(b *build) ocispec.Descriptor {
			return b.index(b.attestation(b.image(twoLayers)))
		},
		"a target that is not here": func(*build) ocispec.Descriptor {
			return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: gone.Digest, Size: gone.Size}
		},
		"an attestation that is not here": func(b *build) ocispec.Descriptor {
			d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: gone.Digest, Size: gone.Size}
			d.Annotations = map[string]string{annotationType: "attestation-manifest"}
			return b.index(b.image(twoLayers), d)
		},
		"an index in an index": func(b *build) ocispec.Descriptor {
			return b.index(b.index(b.image(twoLayers)))
		},
		"an attestation that is not complete": func(b *build) ocispec.Descriptor {
			d := manifest(b, func(m *ocispec.Manifest) { m.Layers[0] = gone })
			d.Annotations = map[string]string{annotationType: "attestation-manifest"}
			return b.index(b.image(twoLayers), d)
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBuild(t, s)
			if i, err := s.Adopt(b.ctx, c(b), []string{"app"}, b.tops); !errors.Is(err, engine.ErrInvalid) {
				t.Errorf("adopted %v: %v", i.ID, err)
			}
			if list, err := s.List(t.Context()); err != nil || len(list) > 0 {
				t.Errorf("listed: %v %v", list, err)
			}
			b.end()
			if blobs, layers := left(t, s); blobs+layers > 0 || marks(t, s) != nil {
				t.Errorf("%d blobs, %d layers and %v are left", blobs, layers, marks(t, s))
			}
		})
	}
	for _, name := range []string{"UPPER", "a@" + gone.Digest.String(), ""} {
		if i, err := s.Adopt(t.Context(), gone, []string{name}, nil); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("named %s %q: %v", i.ID, name, err)
		}
	}
}

func TestAfterAPowerCutBuiltLayersAreUnpackedAgain(t *testing.T) {
	r := newShelf(t)
	r.push(t, "base:v1", img{layers: []map[string]string{{"base": "base"}}})
	s := open(t, t.TempDir())
	base, err := s.Pull(t.Context(), r.host()+"/base:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	baseTop, err := s.rootfsOf(within(t.Context()), digest.Digest(base.ID))
	if err != nil {
		t.Fatal(err)
	}
	// The build stands on the folder that was pulled, and has a layer of its own for it in the image.
	b := newBuild(t, s)
	d := b.image(img{layers: []map[string]string{{"base": "base"}, {"a": "a"}}})
	b.tops[d.Digest] = b.snapshot(baseTop, map[string]string{"a": "a"})
	i := b.adopt(d, "app")
	s.syncs.Wait()
	for n, name := range []string{"a", "base"} {
		if err := os.Truncate(filepath.Join(lower(t, s, i.ID)[n], name), 0); err != nil {
			t.Fatal(err)
		}
	}
	ctx, boot := within(t.Context()), s.boot
	s.boot = "another"
	manifests := []string{base.Digest, d.Digest.String()}
	for _, m := range manifests {
		info, err := s.content.Info(ctx, digest.Digest(m))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.mark(ctx, ocispec.Descriptor{MediaType: d.MediaType, Digest: info.Digest, Size: info.Size}); err != nil {
			t.Fatal(err)
		}
	}
	s.boot = boot
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.root)
	for id, want := range map[string]map[string]string{base.ID: {"base": "base"}, i.ID: {"base": "base", "a": "a"}} {
		if d := cmp.Diff(want, files(t, s, id)); d != "" {
			t.Error(d)
		}
	}
	b.store = s
	b.end()
	if _, layers := left(t, s); layers != 2 {
		t.Errorf("%d layers are left", layers)
	}
	s.syncs.Wait()
	if got := marks(t, s); got != nil {
		t.Errorf("marks are left: %v", got)
	}
}

func TestBackingIsForReadingRecords(t *testing.T) {
	_, s, i := pulled(t)
	b := s.Backing()
	ctx := context.WithoutCancel(t.Context()) // no namespace in it
	name := i.Names[0]
	got, err := b.Images.Get(ctx, name)
	if err != nil || got.Target.Digest.String() != i.Digest {
		t.Errorf("%v %v", got, err)
	}
	if list, err := b.Images.List(ctx); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	_, create := b.Images.Create(ctx, got)
	_, update := b.Images.Update(ctx, got)
	for what, err := range map[string]error{"create": create, "update": update, "delete": b.Images.Delete(ctx, name)} {
		if !errors.Is(err, errAdoptOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.Resolve(t.Context(), name, ""); err != nil {
		t.Error(err)
	}
	t.Run("Collect takes what no lease holds", func(t *testing.T) {
		b2 := newBuild(t, s)
		key := b2.snapshot("", map[string]string{"a": "a"})
		if _, err := b.Collect(ctx); err != nil {
			t.Fatal(err)
		}
		in := within(ctx)
		if _, err := b.Snapshots.Stat(in, key); err != nil {
			t.Error(err)
		}
		if err := b.Leases.Delete(in, leases.Lease{ID: b2.lease.ID}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Collect(ctx); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		if err := b.Snapshots.Walk(in, func(_ context.Context, i snapshots.Info) error { found[i.Name] = true; return nil }); err != nil {
			t.Fatal(err)
		}
		if found[key] || len(found) != 2 {
			t.Errorf("left: %v", slices.Collect(maps.Keys(found)))
		}
	})
}
