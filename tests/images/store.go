package images

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Store is an OCI image layout: a folder with blobs by digest, and an index.json with a name for each image.
type Store struct {
	dir string
}

// NewStore begins an empty layout in dir.
func NewStore(dir string) (*Store, error) {
	s := &Store{dir}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", digest.Canonical.String()), 0o755); err != nil {
		return nil, err
	}
	layout := fmt.Sprintf("{%q:%q}\n", "imageLayoutVersion", ocispec.ImageLayoutVersion)
	if err := os.WriteFile(filepath.Join(dir, ocispec.ImageLayoutFile), []byte(layout), 0o644); err != nil {
		return nil, err
	}
	return s, s.Names(nil)
}

// Dir is the folder of the layout.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path(d digest.Digest) string {
	return filepath.Join(s.dir, "blobs", d.Algorithm().String(), d.Encoded())
}

// Write stores what write says, under the digest of it.
func (s *Store) Write(mediaType string, write func(io.Writer) error) (ocispec.Descriptor, error) {
	f, err := os.CreateTemp(s.dir, "blob-")
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer func() { _ = f.Close() }()
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	sum := digest.Canonical.Digester()
	if err := write(io.MultiWriter(f, sum.Hash())); err != nil {
		return ocispec.Descriptor{}, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if err := f.Chmod(0o644); err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: sum.Digest(), Size: size}
	return d, os.Rename(f.Name(), s.path(d.Digest))
}

// Open reads a blob.
func (s *Store) Open(d digest.Digest) (*os.File, error) { return os.Open(s.path(d)) }

// Names writes the index of the layout: each image under each of its names.
func (s *Store) Names(images map[string]ocispec.Descriptor) error {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		d := images[name]
		d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
		index.Manifests = append(index.Manifests, d)
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, ocispec.ImageIndexFile), text, 0o644)
}

// Images are the images of the layout by name.
func (s *Store) Images() (map[string]ocispec.Descriptor, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, ocispec.ImageIndexFile))
	if err != nil {
		return nil, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, err
	}
	images := map[string]ocispec.Descriptor{}
	for _, d := range index.Manifests {
		images[d.Annotations[ocispec.AnnotationRefName]] = d
	}
	return images, nil
}

// readJSON decodes a blob.
func (s *Store) readJSON(d digest.Digest, v any) error {
	text, err := os.ReadFile(s.path(d))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// children are the blobs that a manifest or an index names, in the order in which a registry wants them.
func (s *Store) children(d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	switch d.MediaType {
	case ocispec.MediaTypeImageIndex, dockerList:
		var index ocispec.Index
		err := s.readJSON(d.Digest, &index)
		return index.Manifests, err
	case ocispec.MediaTypeImageManifest, dockerManifest:
		var manifest ocispec.Manifest
		err := s.readJSON(d.Digest, &manifest)
		return append(manifest.Layers, manifest.Config), err
	default:
		return nil, nil
	}
}
