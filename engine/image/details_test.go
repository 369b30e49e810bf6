package image

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
)

func TestHistoryHasTheSizesOfLayers(t *testing.T) {
	t.Parallel()
	c := &configFile{
		RootFS:  rootFS{DiffIDs: []digest.Digest{"a", "b"}},
		History: []ocispec.History{{CreatedBy: "1"}, {CreatedBy: "2", EmptyLayer: true}, {CreatedBy: "3"}, {CreatedBy: "more than there are"}},
	}
	for name, tc := range map[string]struct {
		trees []call.ImageTree
		want  []engine.Bytes
	}{
		"one tree a layer":  {[]call.ImageTree{{Key: "x", Size: 5}, {Key: "y", Size: 7}}, []engine.Bytes{5, 0, 7, 0}},
		"fewer than layers": {[]call.ImageTree{{Key: "x", Size: 5}}, []engine.Bytes{0, 0, 0, 0}},
	} {
		var got []engine.Bytes
		for _, h := range historyOf(c, tc.trees) {
			got = append(got, h.Size)
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestDetailsAreWhatTheRegistryHas(t *testing.T) {
	from := newShelf(t)
	d := from.push(t, "a:1", img{})
	s := open(t, t.TempDir())
	ref := from.host() + "/a:1"
	there, err := s.Remote(t.Context(), ref, nil)
	if err != nil || there.Descriptor.Digest != d.Digest || len(there.Platforms) != 1 {
		t.Fatalf("%+v, %v: want %s", there, err, d.Digest)
	}
	if _, err := s.Resolve(t.Context(), ref, ""); err == nil {
		t.Error("it is here, but it was only asked for")
	}
	pulled, err := s.Pull(t.Context(), ref, PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Details(t.Context(), ref, "")
	if err != nil {
		t.Fatal(err)
	}
	var size engine.Bytes
	for _, tree := range got.Trees {
		size += tree.Size
	}
	if got.Target.Digest != d.Digest || got.Sent.Digest != d.Digest || size != pulled.Size || len(got.Trees) != len(pulled.Layers) {
		t.Errorf("%+v of %+v", got, pulled)
	}
	if len(got.Manifests) != 1 || !got.Manifests[0].Available || got.Manifests[0].Image != pulled.ID {
		t.Errorf("manifests: %+v", got.Manifests)
	}
}
