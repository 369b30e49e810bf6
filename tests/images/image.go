package images

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker's names for what OCI calls index, manifest, config and layer.
const (
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// Layer is a compressed layer in a store.
type Layer struct {
	Descriptor ocispec.Descriptor
	DiffID     digest.Digest // of the uncompressed tar
}

// Config is an image's configuration, with the field that Docker has and OCI lacks.
type Config struct {
	ocispec.ImageConfig

	Healthcheck *Healthcheck `json:",omitempty"`
}

// Healthcheck is what HEALTHCHECK in a Dockerfile makes. Times are in nanoseconds on the wire.
type Healthcheck struct {
	Test        []string      `json:",omitempty"`
	Interval    time.Duration `json:",omitempty"`
	Timeout     time.Duration `json:",omitempty"`
	StartPeriod time.Duration `json:",omitempty"`
	Retries     int           `json:",omitempty"`
}

// Image is what a manifest is written from.
type Image struct {
	Architecture string // amd64 when empty
	Layers       []Layer
	Config       Config
	Docker       bool // Docker's media types in place of OCI's
}

// Entry is one member of a layer that is made by hand.
type Entry struct {
	tar.Header

	Content string
}

// LayerOf stores a layer with the given members, in the given order. A member without a type is a file, one without a
// time has epoch, one without a mode 0644, or 0755 for a folder.
func (s *Store) LayerOf(entries ...Entry) (Layer, error) {
	return s.layer(func(w io.Writer) error {
		tw := tar.NewWriter(w)
		for _, e := range entries {
			h := e.Header
			h.Size = int64(len(e.Content))
			if h.ModTime.IsZero() {
				h.ModTime = epoch
			}
			if h.Mode == 0 {
				h.Mode = 0o644
				if h.Typeflag == tar.TypeDir {
					h.Mode = 0o755
				}
			}
			if err := tw.WriteHeader(&h); err != nil {
				return err
			}
			if _, err := io.WriteString(tw, e.Content); err != nil {
				return err
			}
		}
		return tw.Close()
	})
}

// LayerOfFolder stores the files below dir as a layer.
func (s *Store) LayerOfFolder(dir string) (Layer, error) {
	return s.layer(func(w io.Writer) error { return packFolder(w, dir) })
}

func (s *Store) layer(write func(io.Writer) error) (Layer, error) {
	plain := digest.Canonical.Digester()
	blob, err := s.Write(ocispec.MediaTypeImageLayerGzip, func(w io.Writer) error {
		zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if err := write(io.MultiWriter(zip, plain.Hash())); err != nil {
			return err
		}
		return zip.Close()
	})
	return Layer{blob, plain.Digest()}, err
}

// Image stores the configuration and the manifest of an image, and describes the manifest.
func (s *Store) Image(img Image) (ocispec.Descriptor, error) {
	if img.Architecture == "" {
		img.Architecture = "amd64"
	}
	manifestType, configType, layerType := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageLayerGzip
	if img.Docker {
		manifestType, configType, layerType = dockerManifest, dockerConfig, dockerLayer
	}
	platform := ocispec.Platform{OS: "linux", Architecture: img.Architecture}
	config, err := s.writeJSON(configType, imageConfig(img, platform))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: manifestType, Config: config}
	for _, l := range img.Layers {
		if l.Descriptor.MediaType == ocispec.MediaTypeImageLayerGzip {
			l.Descriptor.MediaType = layerType
		}
		manifest.Layers = append(manifest.Layers, l.Descriptor)
	}
	d, err := s.writeJSON(manifestType, manifest)
	d.Platform = &platform
	return d, err
}

// configFile is the configuration as it is stored.
type configFile struct {
	ocispec.Platform

	Created time.Time         `json:"created"`
	Config  Config            `json:"config"`
	RootFS  ocispec.RootFS    `json:"rootfs"`
	History []ocispec.History `json:"history"`
}

func imageConfig(img Image, platform ocispec.Platform) configFile {
	file := configFile{Platform: platform, Created: epoch, Config: img.Config}
	file.RootFS.Type = "layers"
	for _, l := range img.Layers {
		file.RootFS.DiffIDs = append(file.RootFS.DiffIDs, l.DiffID)
		file.History = append(file.History, ocispec.History{Created: &epoch, CreatedBy: "tiffin tests/images"})
	}
	return file
}

// Index stores an index of manifests: the same image for several platforms.
func (s *Store) Index(manifests ...ocispec.Descriptor) (ocispec.Descriptor, error) {
	mediaType := ocispec.MediaTypeImageIndex
	if len(manifests) > 0 && manifests[0].MediaType == dockerManifest {
		mediaType = dockerList
	}
	return s.writeJSON(mediaType, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Manifests: manifests,
	})
}

func (s *Store) writeJSON(mediaType string, v any) (ocispec.Descriptor, error) {
	return s.Write(mediaType, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
}
