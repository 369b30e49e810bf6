package shape

import (
	"cmp"
	"slices"
	"strings"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/image"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
)

// ImageSummary is a line of GET /images/json, with what the API had before 1.44, too.
type ImageSummary struct {
	image.Summary
	VirtualSize int64
}

// NotCounted is a number that nobody asked for.
const NotCounted = -1

// SummaryOfImage makes a line of a list; users are how many containers were made of it.
func SummaryOfImage(img *engine.Image, users int) ImageSummary {
	out := ImageSummary{Summary: image.Summary{
		ID: img.ID, Created: img.Created.Unix(), Labels: img.Labels, RepoTags: list(img.Names), RepoDigests: list(img.Digests),
		Size: int64(img.Size), SharedSize: NotCounted, Containers: int64(users),
	}, VirtualSize: int64(img.Size)}
	if img.Created.IsZero() {
		out.Created = 0 // not the year 1
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	return out
}

// list is one that is never null in JSON.
func list(in []string) []string { return append([]string{}, in...) }

// InspectedImage is the answer of GET /images/{name}/json, with what the API had before 1.45, too.
type InspectedImage struct {
	image.InspectResponse
	Parent        string
	DockerVersion string
	VirtualSize   int64
}

// InspectImage is all that there is to know of an image.
func InspectImage(img *engine.Image, more *call.ImageDetails) InspectedImage {
	p := PlatformOf(img.Platform)
	out := InspectedImage{InspectResponse: image.InspectResponse{
		ID: img.ID, RepoTags: list(img.Names), RepoDigests: list(img.Digests), Comment: more.Comment, Author: more.Author,
		Config: ConfigOfImage(&img.Config), Architecture: p.Architecture, Variant: p.Variant, Os: p.OS, OsVersion: p.OSVersion,
		Size: int64(img.Size), RootFS: image.RootFS{Type: "layers", Layers: list(img.Layers)},
		Metadata: image.Metadata{LastTagTime: img.TaggedAt}, Descriptor: &more.Target,
	}, VirtualSize: int64(img.Size)}
	if !img.Created.IsZero() {
		out.Created = img.Created.UTC().Format(time.RFC3339Nano)
	}
	return out
}

// PlatformOf reads os/arch[/variant], as images have it.
func PlatformOf(text string) ocispec.Platform {
	os, rest, _ := strings.Cut(text, "/")
	arch, variant, _ := strings.Cut(rest, "/")
	os, version, _ := strings.Cut(strings.TrimSuffix(os, ")"), "(")
	return ocispec.Platform{OS: os, OSVersion: version, Architecture: arch, Variant: variant}
}

// ConfigOfImage is what an image says about its containers.
func ConfigOfImage(c *engine.ImageConfig) *dockerspec.DockerOCIImageConfig {
	out := &dockerspec.DockerOCIImageConfig{
		ImageConfig: ocispec.ImageConfig{
			User: c.User, ExposedPorts: set(c.Expose), Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Volumes: set(c.Volumes),
			WorkingDir: c.WorkingDir, Labels: c.Labels, StopSignal: c.StopSignal,
		},
		DockerOCIImageConfigExt: dockerspec.DockerOCIImageConfigExt{OnBuild: c.OnBuild, Shell: c.Shell},
	}
	if h := c.Healthcheck; h != nil {
		out.Healthcheck = &dockerspec.HealthcheckConfig{
			Test: h.Test, Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), Retries: h.Retries,
			StartPeriod: time.Duration(h.StartPeriod), StartInterval: time.Duration(h.StartInterval),
		}
	}
	return out
}

func set(names []string) map[string]struct{} {
	if len(names) == 0 {
		return nil
	}
	out := map[string]struct{}{}
	for _, n := range names {
		out[n] = struct{}{}
	}
	return out
}

// HistoryOfImage lists what made an image, the last step first. Only the last one has an ID: the images between are not here.
func HistoryOfImage(img *engine.Image, more *call.ImageDetails) []image.HistoryResponseItem {
	out := []image.HistoryResponseItem{}
	for i, step := range slices.Backward(more.History) {
		item := image.HistoryResponseItem{
			ID: "<missing>", Created: step.Created.Unix(), CreatedBy: step.CreatedBy, Comment: step.Comment, Size: int64(step.Size),
		}
		if step.Created.IsZero() {
			item.Created = 0
		}
		if i == len(more.History)-1 {
			item.ID, item.Tags = img.ID, img.Names
		}
		out = append(out, item)
	}
	return out
}

// ManifestsOfImage lists what an image's names point to; users are the IDs of the containers made of an image.
func ManifestsOfImage(more *call.ImageDetails, users func(imageID string) []string) []image.ManifestSummary {
	out := make([]image.ManifestSummary, 0, len(more.Manifests))
	for i := range more.Manifests {
		m := &more.Manifests[i]
		one := image.ManifestSummary{ID: m.Descriptor.Digest.String(), Descriptor: m.Descriptor, Available: m.Available, Kind: image.ManifestKindImage}
		one.Size.Content, one.Size.Total = int64(m.Content), int64(m.Content+m.Unpacked)
		switch {
		case m.Attests != "":
			one.Kind = image.ManifestKindAttestation
			one.AttestationData = &image.AttestationProperties{For: digest.Digest(m.Attests)}
		case m.Platform.OS == "unknown":
			one.Kind = image.ManifestKindUnknown
		default:
			one.ImageData = &image.ImageProperties{Platform: m.Platform, Containers: []string{}}
			one.ImageData.Size.Unpacked = int64(m.Unpacked)
			if m.Image != "" {
				one.ImageData.Containers = list(users(m.Image))
			}
		}
		out = append(out, one)
	}
	return out
}

// Sharing says what images take of the disk together, and of each how much others have, too.
type Sharing struct {
	Total  int64
	Shared map[string]int64 // by image ID
}

// ShareTrees counts each tree once. The map is by image ID.
func ShareTrees(trees map[string][]call.ImageTree) Sharing {
	users, sizes := map[string]int{}, map[string]int64{}
	for _, stack := range trees {
		for _, t := range stack {
			users[t.Key]++
			sizes[t.Key] = int64(t.Size)
		}
	}
	out := Sharing{Shared: map[string]int64{}}
	for _, size := range sizes {
		out.Total += size
	}
	for id, stack := range trees {
		for _, t := range stack {
			if users[t.Key] > 1 {
				out.Shared[id] += int64(t.Size)
			}
		}
	}
	return out
}

// NewestFirst is how lists of images are sorted; of the same age by ID, so that the order stays.
func NewestFirst(a, b *engine.Image) int {
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
}
