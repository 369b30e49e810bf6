package shape

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/image"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
)

func TestPlatformOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ocispec.Platform{
		"linux/amd64":           {OS: "linux", Architecture: "amd64"},
		"linux/arm64/v8":        {OS: "linux", Architecture: "arm64", Variant: "v8"},
		"windows(10.0.1)/amd64": {OS: "windows", OSVersion: "10.0.1", Architecture: "amd64"},
		"":                      {},
	} {
		if d := cmp.Diff(want, PlatformOf(text)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}

func TestTreesAreCountedOnce(t *testing.T) {
	t.Parallel()
	got := ShareTrees(map[string][]call.ImageTree{
		"a": {{Key: "base", Size: 5}, {Key: "a", Size: 1}},
		"b": {{Key: "base", Size: 5}, {Key: "b", Size: 2}},
		"c": {{Key: "c", Size: 9}},
	})
	if d := cmp.Diff(Sharing{Total: 17, Shared: map[string]int64{"a": 5, "b": 5}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestInspectedImage(t *testing.T) {
	t.Parallel()
	img := &engine.Image{
		ID: "sha256:1", Names: []string{"a:1"}, Platform: "linux/arm64/v8", Size: 9, Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Layers: []string{"l"},
		Config: engine.ImageConfig{Cmd: []string{"x"}, Expose: []string{"80/tcp"}, Volumes: []string{"/d"}, Healthcheck: &engine.Healthcheck{Test: []string{"CMD", "y"}, Retries: 3}},
	}
	got := InspectImage(img, &call.ImageDetails{Author: "me", Comment: "why"})
	if got.Created != "2026-01-02T03:04:05.000000006Z" || got.Variant != "v8" || got.Author != "me" || got.Comment != "why" || got.VirtualSize != 9 {
		t.Errorf("%+v", got)
	}
	if got.RepoDigests == nil {
		t.Error("no digests are null, which clients cannot range over")
	}
	if c := got.Config; len(c.ExposedPorts) != 1 || len(c.Volumes) != 1 || c.Healthcheck.Retries != 3 {
		t.Errorf("config: %+v", c)
	}
	if InspectImage(&engine.Image{}, &call.ImageDetails{}).Created != "" || SummaryOfImage(&engine.Image{}, 0).Created != 0 {
		t.Error("an image without a date is of the year 1")
	}
}

func TestManifestsOfImage(t *testing.T) {
	t.Parallel()
	got := ManifestsOfImage(&call.ImageDetails{Manifests: []call.ImageManifest{
		{Image: "sha256:1", Content: 2, Unpacked: 3, Available: true, Platform: ocispec.Platform{OS: "linux"}},
		{Attests: "sha256:m"},
		{Platform: ocispec.Platform{OS: "unknown"}},
		{Platform: ocispec.Platform{OS: "linux"}},
	}}, func(string) []string { return []string{"c"} })
	var kinds []image.ManifestKind
	for _, m := range got {
		kinds = append(kinds, m.Kind)
	}
	want := []image.ManifestKind{image.ManifestKindImage, image.ManifestKindAttestation, image.ManifestKindUnknown, image.ManifestKindImage}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("kinds (-want +got):\n%s", d)
	}
	if got[0].Size.Total != 5 || len(got[0].ImageData.Containers) != 1 || len(got[3].ImageData.Containers) != 0 {
		t.Errorf("%+v", got)
	}
}
