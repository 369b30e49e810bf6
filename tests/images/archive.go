package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"path"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteOCI writes an image as `docker buildx build -o type=oci` does: a tar of an OCI layout.
func (s *Store) WriteOCI(w io.Writer, name string, d ocispec.Descriptor) error {
	tw := tar.NewWriter(w)
	d.Annotations = map[string]string{"io.containerd.image.name": name}
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{d},
	}
	if err := addJSON(tw, ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	if err := addJSON(tw, ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return err
	}
	if err := s.addTree(tw, d, map[string]bool{}); err != nil {
		return err
	}
	return tw.Close()
}

func (s *Store) addTree(tw *tar.Writer, d ocispec.Descriptor, done map[string]bool) error {
	name := path.Join("blobs", d.Digest.Algorithm().String(), d.Digest.Encoded())
	if done[name] {
		return nil
	}
	done[name] = true
	if err := s.addBlob(tw, name, d); err != nil {
		return err
	}
	children, err := s.children(d)
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := s.addTree(tw, c, done); err != nil {
			return err
		}
	}
	return nil
}

// WriteDocker writes an image as `docker save` did before it knew of OCI: uncompressed layers, the configuration, and
// a manifest.json. Of an index, the image for amd64.
func (s *Store) WriteDocker(w io.Writer, name string, d ocispec.Descriptor) error {
	manifest, err := s.manifest(d)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	config := manifest.Config.Digest.Encoded() + ".json"
	if err := s.addBlob(tw, config, manifest.Config); err != nil {
		return err
	}
	var layers []string
	for _, l := range manifest.Layers {
		layer := l.Digest.Encoded() + "/layer.tar"
		if err := s.addUnzipped(tw, layer, l); err != nil {
			return err
		}
		layers = append(layers, layer)
	}
	err = addJSON(tw, "manifest.json", []map[string]any{{"Config": config, "RepoTags": []string{name}, "Layers": layers}})
	if err != nil {
		return err
	}
	return tw.Close()
}

// manifest is that of an image, or of an index's image for amd64.
func (s *Store) manifest(d ocispec.Descriptor) (ocispec.Manifest, error) {
	if d.MediaType == ocispec.MediaTypeImageIndex || d.MediaType == dockerList {
		children, err := s.children(d)
		if err != nil {
			return ocispec.Manifest{}, err
		}
		for _, c := range children {
			if c.Platform != nil && c.Platform.Architecture == "amd64" {
				d = c
			}
		}
	}
	var manifest ocispec.Manifest
	err := s.readJSON(d.Digest, &manifest)
	return manifest, err
}

// WriteRootfs writes the one layer of a single-layer image as a plain tar, such as `docker export` gives.
func (s *Store) WriteRootfs(w io.Writer, d ocispec.Descriptor) error {
	manifest, err := s.manifest(d)
	if err != nil {
		return err
	}
	return s.unzip(w, manifest.Layers[0])
}

func (s *Store) unzip(w io.Writer, d ocispec.Descriptor) error {
	f, err := s.Open(d.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, zip)
	return err
}

func (s *Store) addUnzipped(tw *tar.Writer, name string, d ocispec.Descriptor) error {
	var plain bytes.Buffer // a tar header wants the size first
	if err := s.unzip(&plain, d); err != nil {
		return err
	}
	return add(tw, name, int64(plain.Len()), &plain)
}

func (s *Store) addBlob(tw *tar.Writer, name string, d ocispec.Descriptor) error {
	f, err := s.Open(d.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return add(tw, name, d.Size, f)
}

func addJSON(tw *tar.Writer, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return add(tw, name, int64(len(text)), bytes.NewReader(text))
}

func add(tw *tar.Writer, name string, size int64, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: epoch}); err != nil {
		return err
	}
	_, err := io.Copy(tw, r)
	return err
}
