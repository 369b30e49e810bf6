package image

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/image/registry"
)

const (
	maxDocument = registry.MaxDocument

	labelUpper   = "containerd.io/snapshot/overlay.upperdir"
	labelRootfs  = "containerd.io/gc.ref.snapshot." + snapshotter
	labelRemoved = "tiffin/removed" // the record is kept for containers only
)

// record is a name and what it points to.
type record struct {
	name   string
	target ocispec.Descriptor // a manifest or an index
	tagged time.Time
	// removed records hold the layers of containers whose image is gone for everybody else.
	removed bool
}

// variant is one image for one platform, as it is here. It never changes.
type variant struct {
	manifest digest.Digest
	image    engine.Image // without what depends on its names
	platform ocispec.Platform
	chains   []digest.Digest // of its layers, base first
	lower    []string        // folders of its layers, top first
}

// readRecords replaces the index of names by what the database has.
func (s *Store) readRecords(ctx context.Context) error {
	list, err := s.images.List(within(ctx))
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	records := make(map[string]record, len(list))
	for _, i := range list {
		records[i.Name] = record{i.Name, i.Target, i.UpdatedAt, i.Labels[labelRemoved] != ""}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = records
	for target := range s.local {
		if len(namesOf(records, target)) == 0 {
			delete(s.local, target)
		}
	}
	return nil
}

// namesOf lists the names of the records that point to target, sorted.
func namesOf(records map[string]record, target digest.Digest) []string {
	var names []string
	for name, r := range records {
		if r.target.Digest == target {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// variants lists what is here of a target, the host's own platform first.
func (s *Store) variants(ctx context.Context, target ocispec.Descriptor) ([]*variant, error) {
	s.mu.RLock()
	found, ok := s.local[target.Digest]
	s.mu.RUnlock()
	if ok {
		return found, nil
	}
	found, err := s.readVariants(within(ctx), target)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", target.Digest, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.local[target.Digest] = found
	return found, nil
}

func (s *Store) readVariants(ctx context.Context, target ocispec.Descriptor) ([]*variant, error) {
	if !images.IsIndexType(target.MediaType) {
		v, err := s.readVariant(ctx, target)
		return []*variant{v}, err
	}
	b, err := content.ReadBlob(ctx, s.content, target)
	if err != nil {
		return nil, err
	}
	idx, err := parseIndex(b, target.MediaType)
	if err != nil {
		return nil, err
	}
	var found []*variant
	for _, d := range idx.Manifests {
		if !images.IsManifestType(d.MediaType) {
			continue
		}
		v, err := s.readVariant(ctx, d)
		if errdefs.IsNotFound(err) {
			continue // of another platform, and never pulled
		}
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	host := platforms.Default()
	slices.SortStableFunc(found, func(a, b *variant) int {
		switch {
		case host.Less(a.platform, b.platform):
			return -1
		case host.Less(b.platform, a.platform):
			return 1
		default:
			return 0
		}
	})
	return found, nil
}

// readVariant reads a manifest and its config. errdefs.ErrNotFound says that they are not here.
func (s *Store) readVariant(ctx context.Context, d ocispec.Descriptor) (*variant, error) {
	b, err := content.ReadBlob(ctx, s.content, bare(d))
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(b, d.MediaType)
	if err != nil {
		return nil, err
	}
	cb, err := content.ReadBlob(ctx, s.content, bare(m.Config))
	if err != nil {
		return nil, err
	}
	c, err := parseConfig(cb, len(m.Layers))
	if err != nil {
		return nil, err
	}
	v := newVariant(d.Digest, m, c)
	return v, s.readLayers(ctx, v)
}

func newVariant(manifest digest.Digest, m ocispec.Manifest, c configFile) *variant {
	v := &variant{
		manifest: manifest,
		platform: platforms.Normalize(c.Platform),
		chains:   identity.ChainIDs(slices.Clone(c.RootFS.DiffIDs)),
		image: engine.Image{
			ID: m.Config.Digest.String(), Platform: platforms.Format(c.Platform),
			Config: c.Config.vocabulary(), Labels: c.Config.Labels,
		},
	}
	if c.Created != nil {
		v.image.Created = *c.Created
	}
	for _, d := range c.RootFS.DiffIDs {
		v.image.Layers = append(v.image.Layers, d.String())
	}
	return v
}

// readLayers finds the folders of the variant's layers, and their size.
func (s *Store) readLayers(ctx context.Context, v *variant) error {
	v.lower, v.image.Size = nil, 0
	for _, chain := range slices.Backward(v.chains) {
		dir, err := s.layerDir(ctx, chain.String())
		if err != nil {
			return err
		}
		v.lower = append(v.lower, dir)
		usage, err := s.snapshots.Usage(ctx, chain.String())
		if err != nil {
			return err
		}
		v.image.Size += engine.Bytes(usage.Size)
	}
	if len(v.lower) == 0 {
		v.lower = []string{filepath.Join(s.root, emptyLayer)}
	}
	return nil
}

// layerDir is the folder of an unpacked layer, or of one that is being unpacked.
func (s *Store) layerDir(ctx context.Context, key string) (string, error) {
	info, err := s.snapshots.Stat(ctx, key)
	if err != nil {
		return "", err
	}
	return info.Labels[labelUpper], nil
}

// describe adds to a variant what its names say.
func describe(v *variant, target digest.Digest, records []record) engine.Image {
	i := v.image
	i.Digest = target.String()
	for _, r := range records {
		if r.tagged.After(i.TaggedAt) {
			i.TaggedAt = r.tagged
		}
		if isDangling(r.name) {
			continue
		}
		if !isDigestName(r.name) {
			i.Names = append(i.Names, familiar(r.name))
		}
		i.Digests = append(i.Digests, repository(r.name)+"@"+target.String())
	}
	slices.SortFunc(i.Names, strings.Compare)
	slices.Sort(i.Digests)
	i.Digests = slices.Compact(i.Digests)
	return i
}
