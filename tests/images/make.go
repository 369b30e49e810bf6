package images

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// maker makes every image, in a folder that is thrown away, into a store.
type maker struct {
	debian   debian
	work     string
	store    *Store
	progress func(string)

	mu     sync.Mutex
	images map[string]ocispec.Descriptor // by name:tag
}

func (m *maker) all(ctx context.Context) error {
	rootfs := filepath.Join(m.work, "debian")
	first, firstCtx := errgroup.WithContext(ctx)
	first.Go(func() error {
		m.progress("debian")
		return m.debian.bootstrap(firstCtx, rootfs)
	})
	first.Go(func() error {
		m.progress("busybox")
		return m.busybox(firstCtx)
	})
	if err := first.Wait(); err != nil {
		return err
	}
	layer, err := m.store.LayerOfFolder(rootfs)
	if err != nil {
		return err
	}
	slim := base
	slim.tags = append(slices.Clone(slim.tags), m.debian.codename, m.debian.codename+"-slim")
	if err := m.image(slim, layer); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, r := range recipes {
		group.Go(func() error {
			m.progress(r.name)
			upper, err := install(groupCtx, m.work, rootfs, r)
			if err != nil {
				return err
			}
			top, err := m.store.LayerOfFolder(upper)
			if err != nil {
				return err
			}
			return m.image(r, layer, top)
		})
	}
	return group.Wait()
}

// image stores the image of a recipe under all its tags.
func (m *maker) image(r recipe, layers ...Layer) error {
	d, err := m.store.Image(Image{Layers: layers, Config: Config{ImageConfig: r.config}, Docker: r.docker})
	if err != nil {
		return err
	}
	if r.attested {
		if d, err = m.attest(d); err != nil {
			return err
		}
	}
	m.name("docker.io/library/"+r.name, d, r.tags...)
	return nil
}

// attest puts an image into an index beside a statement of where it comes from, as buildx does: a manifest for
// a platform that nobody has.
func (m *maker) attest(image ocispec.Descriptor) (ocispec.Descriptor, error) {
	statement, err := m.store.Write("application/vnd.in-toto+json", func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "{%q:%q}", "_type", "https://in-toto.io/Statement/v0.1")
		return err
	})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := m.store.Image(Image{Layers: []Layer{{Descriptor: statement, DiffID: statement.Digest}}})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{
		"vnd.docker.reference.type":   "attestation-manifest",
		"vnd.docker.reference.digest": image.Digest.String(),
	}
	return m.store.Index(image, d)
}

func (m *maker) name(repository string, d ocispec.Descriptor, tags ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tag := range tags {
		m.images[repository+":"+tag] = d
	}
}

// busybox makes an index of two platforms, the second one foreign: nothing of it can run here. The images of corner
// cases stand on the first.
func (m *maker) busybox(ctx context.Context) error {
	config := Config{ImageConfig: ocispec.ImageConfig{Env: []string{searchPath}, Cmd: []string{"sh"}}}
	var manifests []ocispec.Descriptor
	var native Layer
	var commands []string
	for _, arch := range []string{"amd64", "arm64"} {
		packages := filepath.Join(m.work, "busybox-packages-"+arch)
		if err := m.debian.extract(ctx, packages, arch, "busybox-static"); err != nil {
			return err
		}
		program, err := firstOf(packages, "bin/busybox", "usr/bin/busybox")
		if err != nil {
			return err
		}
		if arch == "amd64" {
			if commands, err = applets(ctx, program); err != nil {
				return err
			}
		}
		layer, err := m.busyboxLayer(filepath.Join(m.work, "busybox-"+arch), program, commands)
		if err != nil {
			return err
		}
		if arch == "amd64" {
			native = layer
		}
		d, err := m.store.Image(Image{Architecture: arch, Layers: []Layer{layer}, Config: config})
		if err != nil {
			return err
		}
		manifests = append(manifests, d)
	}
	index, err := m.store.Index(manifests...)
	if err != nil {
		return err
	}
	m.name("docker.io/library/busybox", index, "latest", "1", "stable", "glibc")
	return m.corners(native)
}

func (m *maker) busyboxLayer(dir, program string, applets []string) (Layer, error) {
	binary, err := os.ReadFile(program)
	if err != nil {
		return Layer{}, err
	}
	if err := busybox(dir, binary, applets); err != nil {
		return Layer{}, err
	}
	return m.store.LayerOfFolder(dir)
}

// firstOf is the first of the names that there is below dir.
func firstOf(dir string, names ...string) (string, error) {
	var err error
	for _, name := range names {
		p := filepath.Join(dir, name)
		if _, err = os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", err
}
