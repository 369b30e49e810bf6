package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

const (
	maxDepth  = 32
	maxLayers = 500 // what overlayfs can stack
	maxParts  = 4096

	annotationType = "vnd.docker.reference.type"
)

// errNoImage says that something is well-formed, but nothing that a container can be made of.
var errNoImage = errors.New("not a container image")

// parseIndex checks the document that desc promises, and reads it. Its digest has been verified.
//
// Errors: engine.ErrInvalid, as for parseManifest and parseConfig.
func parseIndex(b []byte, mediaType string) (ocispec.Index, error) {
	var idx ocispec.Index
	if err := parse(b, &idx); err != nil {
		return idx, refuse("index", err)
	}
	if err := checkKind(b, mediaType, "config", "layers", "fsLayers"); err != nil {
		return idx, refuse("index", err)
	}
	if len(idx.Manifests) > maxParts {
		return idx, refuse("index", fmt.Errorf("it has %d manifests", len(idx.Manifests)))
	}
	for _, m := range idx.Manifests {
		if err := checkDescriptor(m); err != nil {
			return idx, refuse("index", err)
		}
	}
	return idx, nil
}

func parseManifest(b []byte, mediaType string) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if err := parse(b, &m); err != nil {
		return m, refuse("manifest", err)
	}
	if err := checkKind(b, mediaType, "manifests", "fsLayers"); err != nil {
		return m, refuse("manifest", err)
	}
	if !images.IsConfigType(m.Config.MediaType) {
		return m, refuse("manifest", fmt.Errorf("%w: its config is %q", errNoImage, m.Config.MediaType))
	}
	if len(m.Layers) > maxLayers {
		return m, refuse("manifest", fmt.Errorf("it has %d layers, at most %d can be stacked", len(m.Layers), maxLayers))
	}
	if err := checkDocument(m.Config); err != nil {
		return m, refuse("manifest", err)
	}
	for i, l := range m.Layers {
		if !images.IsLayerType(l.MediaType) {
			return m, refuse("manifest", fmt.Errorf("%w: a layer is %q", errNoImage, l.MediaType))
		}
		if err := checkDescriptor(l); err != nil {
			return m, refuse("manifest", err)
		}
		m.Layers[i] = bare(l)
	}
	return m, nil
}

// bare is a descriptor without what would send us elsewhere than to the registry.
func bare(d ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// parseConfig reads the config of an image with that many layers.
func parseConfig(b []byte, layers int) (configFile, error) {
	var c configFile
	if err := parse(b, &c); err != nil {
		return c, refuse("config", err)
	}
	if c.RootFS.Type != "" && c.RootFS.Type != "layers" {
		return c, refuse("config", fmt.Errorf("%w: its rootfs is %q", errNoImage, c.RootFS.Type))
	}
	if len(c.RootFS.DiffIDs) != layers {
		return c, refuse("config", fmt.Errorf("%d diff IDs for %d layers", len(c.RootFS.DiffIDs), layers))
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := checkDigest(d); err != nil {
			return c, refuse("config", err)
		}
	}
	return c, nil
}

// parseAttestation checks a manifest that is no image's. What its config and its layers are is not for us to know.
func parseAttestation(b []byte, mediaType string) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if err := parse(b, &m); err != nil {
		return m, refuse("attestation", err)
	}
	if err := checkKind(b, mediaType, "manifests", "fsLayers"); err != nil {
		return m, refuse("attestation", err)
	}
	if len(m.Layers) > maxParts {
		return m, refuse("attestation", fmt.Errorf("it has %d layers", len(m.Layers)))
	}
	for _, d := range partsOf(m) {
		if err := checkDescriptor(d); err != nil {
			return m, refuse("attestation", err)
		}
	}
	return m, nil
}

// partsOf lists what a manifest consists of: its config, then its layers.
func partsOf(m ocispec.Manifest) []ocispec.Descriptor {
	return append([]ocispec.Descriptor{m.Config}, m.Layers...)
}

func refuse(what string, err error) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf("the image's %s is refused: %w", what, err))
}

func checkDescriptor(d ocispec.Descriptor) error {
	if d.Size < 0 {
		return fmt.Errorf("%s has a size of %d", d.Digest, d.Size)
	}
	return checkDigest(d.Digest)
}

// checkDocument is checkDescriptor for what is read into memory.
func checkDocument(d ocispec.Descriptor) error {
	if d.Size > maxDocument {
		return fmt.Errorf("%s has %d bytes, at most %d may it have", d.Digest, d.Size, maxDocument)
	}
	return checkDescriptor(d)
}

// checkTarget tells whether a name may point to d.
func checkTarget(d ocispec.Descriptor) error {
	if err := checkDocument(d); err != nil {
		return refuse("manifest", err)
	}
	if !images.IsIndexType(d.MediaType) && !images.IsManifestType(d.MediaType) {
		return refuse("manifest", fmt.Errorf("%w: it is %q", errNoImage, d.MediaType))
	}
	return nil
}

// parse reads one JSON document, in which no key may come twice: parsers differ in which one counts.
func parse(b []byte, v any) error {
	if len(b) > maxDocument {
		return fmt.Errorf("it has more than %d bytes", maxDocument)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return json.Unmarshal(b, v)
}

func checkValue(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	switch t {
	case json.Delim('{'):
		return checkObject(d, depth)
	case json.Delim('['):
		for d.More() {
			if err := checkValue(d, depth+1); err != nil {
				return err
			}
		}
		_, err = d.Token()
		return err
	default:
		return nil
	}
}

func checkObject(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if depth == 0 {
			key = strings.ToLower(key) // Go's own parser takes layers and Layers for the same
		}
		if seen[key] {
			return fmt.Errorf("the key %q comes twice", key)
		}
		seen[key] = true
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// checkKind makes sure that a document is read as what it says it is, and could not be read as anything else.
func checkKind(b []byte, mediaType string, foreign ...string) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return err
	}
	for key, value := range keys {
		for _, f := range foreign {
			if strings.EqualFold(key, f) && string(value) != "null" {
				return fmt.Errorf("a %s has no %s", mediaType, f)
			}
		}
	}
	var head struct {
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return err
	}
	if head.SchemaVersion != 2 {
		return fmt.Errorf("schema version %d", head.SchemaVersion)
	}
	if head.MediaType != "" && head.MediaType != mediaType {
		return fmt.Errorf("it was announced as %s and says that it is %s", mediaType, head.MediaType)
	}
	return nil
}

// choose finds the manifest of an index that suits a platform best.
//
// Errors: engine.ErrNotFound, with what there is.
func choose(idx ocispec.Index, m platforms.MatchComparer, image, want string) (ocispec.Descriptor, error) {
	var best *ocispec.Descriptor
	var there []string
	for i, d := range idx.Manifests {
		if !isVariant(d) {
			continue
		}
		there = append(there, platforms.Format(*d.Platform))
		if m.Match(*d.Platform) && (best == nil || m.Less(*d.Platform, *best.Platform)) {
			best = &idx.Manifests[i]
		}
	}
	if one := withoutAttestations(idx); len(one) == 1 && one[0].Platform == nil {
		best = &one[0] // an index that does not say
	}
	if best == nil {
		return ocispec.Descriptor{}, engine.Problem(engine.ErrNotFound,
			fmt.Errorf("image %q is not made for %s, only for %s", image, want, strings.Join(there, ", ")))
	}
	if err := checkDocument(*best); err != nil {
		return ocispec.Descriptor{}, refuse("index", err)
	}
	d := bare(*best)
	d.Platform = best.Platform
	return d, nil
}

// withoutAttestations lists what an index has but attestations.
func withoutAttestations(idx ocispec.Index) []ocispec.Descriptor {
	return slices.DeleteFunc(slices.Clone(idx.Manifests), isAttestation)
}

// isVariant tells an image from what lies beside it in an index, such as attestations.
func isVariant(d ocispec.Descriptor) bool {
	return images.IsManifestType(d.MediaType) && d.Platform != nil && !isAttestation(d)
}

// isAttestation tells whether an entry of an index says something about the images in it, and is none.
func isAttestation(d ocispec.Descriptor) bool {
	return d.Annotations[annotationType] == "attestation-manifest" || (d.Platform != nil && d.Platform.OS == "unknown")
}
