package image

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/snapshot"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// unlazy makes a layer available as BuildKit's cache does: prepare, apply, commit.
func (b *build) unlazy(blob ocispec.Descriptor, parent string, diffIDs ...digest.Digest) (key, dir string) {
	b.Helper()
	shared := b.store.Backing()
	chain := identity.ChainID(slices.Clone(diffIDs))
	active, key := "extract-"+rand.Text()+" "+chain.String(), snapshot.LayerSnapshotID(chain)
	mounts, err := shared.Snapshots.Prepare(b.ctx, active, parent)
	b.must(err)
	got, err := shared.Applier.Apply(b.ctx, blob, mounts)
	b.must(err)
	if got.Digest != diffIDs[len(diffIDs)-1] {
		b.Errorf("it holds %s", got.Digest)
	}
	dir, _, err = b.store.foldersOf(mounts)
	b.must(err)
	err = shared.Snapshots.Commit(b.ctx, key, active)
	if errdefs.IsAlreadyExists(err) {
		err = shared.Leases.DeleteResource(b.ctx, b.lease, leases.Resource{ID: active, Type: heldSnapshot})
	}
	b.must(err)
	return key, dir
}

func TestABuildStandsOnPulledLayers(t *testing.T) {
	r := newShelf(t)
	d := r.push(t, "app:v1", twoLayers)
	s := open(t, t.TempDir())
	i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBuild(t, s)
	m := r.manifest(t, d)
	parent := ""
	var diffIDs []digest.Digest
	for n, l := range m.Layers {
		diffIDs = append(diffIDs, digest.Digest(i.Layers[n]))
		key, dir := b.unlazy(l, parent, diffIDs...)
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("it was unpacked again: %v %v", list, err)
		}
		parent = key
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.tops[d.Digest] = parent
	if got, want := b.folders(d), lower(t, s, i.ID); !slices.Equal(got, want) {
		t.Errorf("it stands on %v, not %v", got, want)
	}
	// The lease of the build keeps them.
	if _, err := s.Remove(t.Context(), i.ID, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, layers := left(t, s); layers != 2 {
		t.Errorf("%d layers", layers)
	}
}

func TestAPullTakesLayersThatABuildUnpacked(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	plain := tarOf(t, twoLayers.layers[0])
	_, dir := b.unlazy(b.blob(ocispec.MediaTypeImageLayerGzip, gzipped(t, plain)), "", digest.FromBytes(plain))
	r := newShelf(t)
	r.push(t, "app:v1", twoLayers)
	i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := lower(t, s, i.ID); got[len(got)-1] != dir {
		t.Errorf("its folders are %v, without %s", got, dir)
	}
}

// A blob that is not what the layer is made of must not pass for it because the layer is here.
func TestABlobCountsForWhatItHolds(t *testing.T) {
	_, s, i := pulled(t)
	b := newBuild(t, s)
	other := tarOf(t, map[string]string{"evil": "evil"})
	blob := b.blob(ocispec.MediaTypeImageLayerGzip, gzipped(t, other))
	shared := s.Backing()
	for range 2 { // also when it has been unpacked before
		mounts, err := shared.Snapshots.Prepare(b.ctx, "extract-"+rand.Text()+" "+i.Layers[0], "")
		b.must(err)
		if got, err := shared.Applier.Apply(b.ctx, blob, mounts); err != nil || got.Digest != digest.FromBytes(other) || got.Size != int64(len(other)) {
			t.Errorf("%v %v", got, err)
		}
	}
}

func TestAfterAPowerCutNothingStandsOnWhatMayBeDamaged(t *testing.T) {
	_, s, i := pulled(t)
	b := newBuild(t, s)
	key, dir := b.unlazy(b.blob(ocispec.MediaTypeImageLayer, tarOf(t, map[string]string{"c": "c"})), "",
		digest.FromBytes(tarOf(t, map[string]string{"c": "c"})))
	s.syncs.Wait()
	reopen := func(boot string) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if boot != "" { // it was not closed
			if err := os.WriteFile(filepath.Join(s.root, "unsynced"), []byte(boot), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s = open(t, s.root)
	}
	isThere := func() bool {
		t.Helper()
		there, err := s.isCommitted(within(t.Context()), key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = os.Stat(dir)
		return there && err == nil
	}
	boot := s.boot
	for _, kept := range []string{"", boot} {
		if reopen(kept); !isThere() {
			t.Fatalf("after boot %q, the build's layer is gone", kept)
		}
		if epoch := s.Backing().Epoch; epoch != "" {
			t.Errorf("epoch %q has begun", epoch)
		}
	}
	if reopen("another"); isThere() {
		t.Error("the build's layer is still there")
	}
	for range 2 { // and so it stays
		if epoch := s.Backing().Epoch; epoch != boot {
			t.Errorf("epoch %q, want %q", epoch, boot)
		}
		reopen("")
	}
	if d := cmp.Diff(map[string]string{"a": "a", "b": "b"}, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
	if _, err := os.Stat(filepath.Join(s.root, "unsynced")); !os.IsNotExist(err) {
		t.Errorf("it is still unsure: %v", err)
	}
}
