package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// image is what `tiffin save` has written of one.
type image struct {
	config config
	layers [][]byte // uncompressed
}

// config is an image's configuration with the fields that Docker has beside OCI's.
type config struct {
	Architecture string
	OS           string
	Created      *time.Time
	Config       struct {
		ocispec.ImageConfig

		Healthcheck *struct {
			Test                                          []string
			Interval, Timeout, StartPeriod, StartInterval time.Duration
			Retries                                       int
		}
		OnBuild []string
		Shell   []string
	}
	RootFS  ocispec.RootFS
	History []ocispec.History
}

// readBlobs reads an archive: what its members are, by name.
func readBlobs(archive []byte) (map[string][]byte, error) {
	blobs := map[string][]byte{}
	tr := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return blobs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		blob := make([]byte, h.Size) // a layer may be large: it is not to be copied as it grows
		if _, err := io.ReadFull(tr, blob); err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		blobs[h.Name] = blob
	}
}

// readImage reads an archive of one image. Every digest on the way is checked.
func readImage(archive []byte) (*image, error) {
	blobs, err := readBlobs(archive)
	if err != nil {
		return nil, err
	}
	var manifests []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(blobs["manifest.json"], &manifests); err != nil || len(manifests) != 1 {
		return nil, fmt.Errorf("%d images in the archive: %w", len(manifests), err)
	}
	m, img := manifests[0], &image{}
	if want := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimSuffix(path.Base(m.Config), ".json")); digest.FromBytes(blobs[m.Config]) != want {
		return nil, fmt.Errorf("the configuration is not %s", want)
	}
	if err := json.Unmarshal(blobs[m.Config], &img.config); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(m.Layers) != len(img.config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("%d layers, and %d digests of layers", len(m.Layers), len(img.config.RootFS.DiffIDs))
	}
	for i, name := range m.Layers {
		plain, err := uncompressed(blobs[name])
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		if want := img.config.RootFS.DiffIDs[i]; digest.FromBytes(plain) != want {
			return nil, fmt.Errorf("layer %d is not %s", i, want)
		}
		img.layers = append(img.layers, plain)
	}
	return img, nil
}

func uncompressed(blob []byte) ([]byte, error) {
	if !bytes.HasPrefix(blob, []byte{0x1f, 0x8b}) {
		return blob, nil
	}
	zip, err := gzip.NewReader(bytes.NewReader(blob))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zip)
}

// tree unpacks the first n layers.
func (img *image) tree(n int) (tree, error) {
	t := tree{}
	for i, l := range img.layers[:n] {
		if err := t.apply(tar.NewReader(bytes.NewReader(l))); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
	}
	delete(t, "/")
	return t, nil
}

// usualPath is what images have whose base has no PATH; it is left out of the text.
const usualPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// text is the configuration, a line for each thing that is set.
func (c *config) text() string {
	var b strings.Builder
	say := func(key string, value any) {
		text, _ := json.Marshal(value)
		fmt.Fprintln(&b, key, string(text))
	}
	words := func(key string, list []string) {
		if list != nil {
			say(key, list)
		}
	}
	sorted := func(key string, set map[string]struct{}) {
		for _, v := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintln(&b, key, v)
		}
	}
	one := func(key, value string) {
		if value != "" {
			fmt.Fprintln(&b, key, value)
		}
	}
	k := &c.Config
	one("user", k.User)
	for _, e := range k.Env {
		if e != usualPath {
			fmt.Fprintln(&b, "env", e)
		}
	}
	words("entrypoint", k.Entrypoint)
	words("cmd", k.Cmd)
	words("shell", k.Shell)
	one("workdir", k.WorkingDir)
	sorted("volume", k.Volumes)
	sorted("expose", k.ExposedPorts)
	for _, key := range slices.Sorted(maps.Keys(k.Labels)) {
		fmt.Fprintf(&b, "label %s=%s\n", key, k.Labels[key])
	}
	one("stopsignal", k.StopSignal)
	if h := k.Healthcheck; h != nil {
		text, _ := json.Marshal(h.Test)
		fmt.Fprintf(&b, "healthcheck %s interval=%s timeout=%s start-period=%s start-interval=%s retries=%d\n",
			text, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries)
	}
	words("onbuild", k.OnBuild)
	return b.String()
}

// history is who made what above the base's layers, one line each: "layer" or "empty", and the instruction. The comment
// is the same for all of them, or it is said.
func (c *config) history(baseLayers int) (string, error) {
	var b strings.Builder
	layers := 0
	for _, h := range c.History {
		kind := "layer"
		if h.EmptyLayer {
			kind = "empty"
		} else {
			layers++
		}
		if layers <= baseLayers && kind == "layer" {
			continue
		}
		text := strings.ReplaceAll(h.CreatedBy, "\n", `\n`)
		if h.Author != "" {
			text += " author=" + h.Author
		}
		if h.Comment != "buildkit.dockerfile.v0" {
			text += " comment=" + h.Comment
		}
		fmt.Fprintln(&b, kind, strings.TrimSpace(text))
	}
	if layers != len(c.RootFS.DiffIDs) {
		return b.String(), fmt.Errorf("the history has %d layers, the image %d", layers, len(c.RootFS.DiffIDs))
	}
	return b.String(), nil
}

// members lists a layer as it lies in the archive: "f /a", "w /b" for a whiteout, "o /d" for an opaque folder.
func members(layer []byte) ([]string, error) {
	var lines []string
	tr := tar.NewReader(bytes.NewReader(layer))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(lines)
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean("/" + h.Name)
		dir, base := path.Split(name)
		gone, isWhiteout := strings.CutPrefix(base, whiteout)
		switch {
		case base == opaque:
			lines = append(lines, "o "+path.Clean(dir))
		case isWhiteout:
			lines = append(lines, "w "+printable(path.Join(dir, gone)))
		case h.Typeflag == tar.TypeLink:
			lines = append(lines, "h "+printable(name))
		default:
			lines = append(lines, kindOf(h.Typeflag)+" "+printable(name))
		}
	}
}
