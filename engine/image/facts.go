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
	"github.com/containerd/containerd/v2/core/snapshots"
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
	labelContent = "containerd.io/gc.ref.content."
	labelPlain   = "tiffin/plain"   // digest and size of what a layer's blob holds, seen when it was unpacked
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

// readRecords replaces the index of names by what the database has. Who read it earlier must
// not replace it later: a name that came in between would be gone.
func (s *Store) readRecords(ctx context.Context) error {
	s.reading.Lock()
	defer s.reading.Unlock()
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
	kept, err := s.references(ctx, target.Digest)
	if err != nil {
		return nil, err
	}
	var found []*variant
	for _, d := range idx.Manifests {
		if !kept[d.Digest.String()] || !images.IsManifestType(d.MediaType) || isAttestation(d) {
			continue // of another platform and never here, or no image
		}
		v, err := s.readVariant(ctx, d)
		if errdefs.IsNotFound(err) {
			continue // here, but not unpacked: the builds' own
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

// references lists the digests that a document keeps here. What else it lists may be here by chance, and was never
// looked at.
func (s *Store) references(ctx context.Context, document digest.Digest) (map[string]bool, error) {
	info, err := s.content.Info(ctx, document)
	if err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for key, value := range info.Labels {
		if strings.HasPrefix(key, labelContent) {
			kept[value] = true
		}
	}
	return kept, nil
}

// readVariant reads a manifest and its config. errdefs.ErrNotFound says that they, or the layers, are not here.
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
	top, err := s.rootfsOf(ctx, m.Config.Digest)
	if err != nil {
		return nil, err
	}
	if top == "" && len(v.image.Layers) > 0 {
		return nil, fmt.Errorf("the layers of %s are not unpacked: %w", d.Digest, errdefs.ErrNotFound)
	}
	return v, s.readLayers(ctx, v, top)
}

func newVariant(manifest digest.Digest, m ocispec.Manifest, c configFile) *variant {
	v := &variant{
		manifest: manifest,
		platform: platforms.Normalize(c.Platform),
		chains:   identity.ChainIDs(slices.Clone(c.RootFS.DiffIDs)),
		image: engine.Image{
			ID: m.Config.Digest.String(), Manifest: manifest.String(), Platform: platforms.Format(c.Platform),
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

// rootfsOf finds the snapshot that has the root filesystem of the images with a config: the config's label says
// which. Layers that were pulled are named by their chain ID, those of builds are not, and a build may have fewer
// snapshots than layers. "" says that there is none, or none any more.
func (s *Store) rootfsOf(ctx context.Context, config digest.Digest) (string, error) {
	info, err := s.content.Info(ctx, config)
	if err != nil {
		return "", err
	}
	top := info.Labels[labelRootfs]
	if top == "" {
		return "", nil
	}
	there, err := s.isCommitted(ctx, top)
	if err != nil || !there {
		return "", err
	}
	return top, nil
}

// isCommitted tells whether a snapshot is here and does not change any more.
func (s *Store) isCommitted(ctx context.Context, key string) (bool, error) {
	info, err := s.snapshots.Stat(ctx, key)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil && info.Kind == snapshots.KindCommitted, err
}

// readLayers finds the folders of the variant's layers, from the top one down, and their size.
func (s *Store) readLayers(ctx context.Context, v *variant, top string) error {
	v.lower, v.image.Size = nil, 0
	for key := top; key != ""; {
		info, err := s.snapshots.Stat(ctx, key)
		if err != nil {
			return err
		}
		usage, err := s.snapshots.Usage(ctx, key)
		if err != nil {
			return err
		}
		v.lower = append(v.lower, info.Labels[labelUpper])
		v.image.Size += engine.Bytes(usage.Size)
		key = info.Parent
	}
	if len(v.lower) == 0 {
		v.lower = []string{filepath.Join(s.root, emptyLayer)}
	}
	return nil
}

// layerKey names the snapshot of a layer that was unpacked from its blob, and of those below it. It is BuildKit's name
// (snapshot.LayerSnapshotID), so that a layer that was pulled is there for builds, and the other way round.
func layerKey(chain digest.Digest) string {
	return "buildkit-layer-snapshot-v1-" + chain.Algorithm().String() + "-" + chain.Encoded()
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
