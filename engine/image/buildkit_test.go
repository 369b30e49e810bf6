package image

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/cache"
	"github.com/moby/buildkit/cache/metadata"
	containerdsnapshot "github.com/moby/buildkit/snapshot/containerd"
	"github.com/moby/buildkit/util/leaseutil"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// cacheOf is BuildKit's own cache of build steps, on the store.
func cacheOf(t *testing.T, s *Store) cache.Manager {
	t.Helper()
	b := s.Backing()
	dir := t.TempDir()
	records, err := metadata.NewStore(filepath.Join(dir, "cache.db"))
	if err != nil {
		t.Fatal(err)
	}
	cm, err := cache.NewManager(cache.ManagerOpt{
		Snapshotter:  containerdsnapshot.NewSnapshotter(b.Snapshotter, b.Snapshots, b.Namespace, nil),
		ContentStore: containerdsnapshot.NewContentStore(b.Content, b.Namespace),
		LeaseManager: leaseutil.WithNamespace(b.Leases, b.Namespace),
		Applier:      b.Applier, GarbageCollect: b.Collect, MetadataStore: records, Root: dir, MountPoolRoot: dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cm.Close(); err != nil {
			t.Error(err)
		}
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	return cm
}

// from is what FROM does with an image whose blobs are here.
func from(t *testing.T, cm cache.Manager, m ocispec.Manifest, i engine.Image) cache.ImmutableRef {
	t.Helper()
	var top cache.ImmutableRef
	for n, d := range m.Layers {
		d.Annotations = map[string]string{labels.LabelUncompressed: i.Layers[n]}
		ref, err := cm.GetByBlob(t.Context(), d, top)
		if err != nil {
			t.Fatal(err)
		}
		top = ref
	}
	if err := top.Extract(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return top
}

// lowerOf lists the folders that a reference is mounted from.
func lowerOf(t *testing.T, s *Store, ref cache.ImmutableRef) []string {
	t.Helper()
	m, err := ref.Mount(t.Context(), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mounts []mount.Mount
	mounts, release, err := m.Mount()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release() }()
	if mounts[0].Type == "bind" {
		return []string{mounts[0].Source}
	}
	mounts[0].Options = append(mounts[0].Options, "upperdir="+s.layersRoot()+"/snapshots/0/fs")
	_, below, err := s.foldersOf(mounts)
	if err != nil {
		t.Fatal(err)
	}
	return below
}

func TestBuildKitStandsOnPulledLayers(t *testing.T) {
	r := newShelf(t)
	d := r.push(t, "app:v1", twoLayers)
	s := open(t, t.TempDir())
	i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cm := cacheOf(t, s)
	ref := from(t, cm, r.manifest(t, d), i)
	if _, layers := left(t, s); layers != 2 {
		t.Errorf("%d layers", layers)
	}
	want := lower(t, s, i.ID)
	if got := lowerOf(t, s, ref); !slices.Equal(got, want) {
		t.Errorf("it stands on %v, not %v", got, want)
	}
	// The cache keeps them when the image goes.
	if _, err := s.Remove(t.Context(), i.ID, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, dir := range want {
		if list, err := os.ReadDir(dir); err != nil || len(list) == 0 {
			t.Errorf("without the image, %s has %v: %v", dir, list, err)
		}
	}
	if err := ref.Release(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// A layer that BuildKit committed under a random name becomes an image where it is.
func TestAdoptOfWhatBuildKitCommitted(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	base := b.adopt(b.image(twoLayers), "base")
	var m ocispec.Manifest
	for _, l := range twoLayers.layers {
		m.Layers = append(m.Layers, b.blob(ocispec.MediaTypeImageLayerGzip, gzipped(t, tarOf(t, l))))
	}
	cm := cacheOf(t, s)
	ref := from(t, cm, m, base)
	step, err := cm.New(t.Context(), ref, nil, cache.CachePolicyRetain)
	if err != nil {
		t.Fatal(err)
	}
	done, err := step.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := done.Finalize(t.Context()); err != nil {
		t.Fatal(err)
	}
	three := img{layers: append(slices.Clone(twoLayers.layers), map[string]string{})}
	d := b.image(three)
	b.tops = map[digest.Digest]string{d.Digest: snapshotOf(t, s, lowerOf(t, s, done)[0])}
	i := b.adopt(d, "app")
	if got, want := lower(t, s, i.ID), lowerOf(t, s, done); !slices.Equal(got, want) || len(got) != 3 {
		t.Errorf("it stands on %v, not %v", got, want)
	}
	if w := cmp.Diff(files(t, s, base.ID), files(t, s, i.ID)); w != "" {
		t.Error(w)
	}
	for _, r := range []cache.ImmutableRef{done, ref} {
		if err := r.Release(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// snapshotOf finds a snapshot by its folder.
func snapshotOf(t *testing.T, s *Store, dir string) string {
	t.Helper()
	found := map[string]bool{}
	ctx := within(t.Context())
	if err := s.snapshots.Walk(ctx, func(_ context.Context, i snapshots.Info) error {
		if i.Labels[labelUpper] == dir {
			found[i.Name] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	names := slices.Collect(maps.Keys(found))
	if len(names) != 1 {
		t.Fatalf("%s is of %v", dir, names)
	}
	return names[0]
}
