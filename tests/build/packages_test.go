package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/tests/harness"
	"tiffin/tests/images"
)

// publicImage is an image of tests/images that a Dockerfile of testdata/public makes, too. Its packages come from the layer
// that tests/images has made of them, without what the Dockerfile's own steps have to do again.
type publicImage struct {
	name    string            // of the image, the Dockerfile's folder, and the folder of tests/images/files
	service string            // of samples/guestbook
	tag     string            // that the service asks for
	steps   []string          // files and folders that RUN makes
	undo    map[string]edit   // files that RUN changes
	extra   map[string]string // files that RUN removes
}

// edit is what makes a file as the packages have left it.
type edit struct {
	find *regexp.Regexp
	with string
}

var publicImages = []*publicImage{
	{
		name: "nginx", service: "nginx", tag: "nginx:alpine",
		steps: []string{"var/log/nginx/access.log", "var/log/nginx/error.log"},
		undo: map[string]edit{
			"etc/passwd": line(`nginx:.*\n`, ""), "etc/shadow": line(`nginx:.*\n`, ""),
			"etc/group": line(`nginx:.*\n`, ""), "etc/gshadow": line(`nginx:.*\n`, ""),
		},
		extra: map[string]string{
			"etc/nginx/sites-available/default": "server {\n  listen 80 default_server;\n}\n",
			"var/www/html/index.html":           "Debian's welcome\n",
		},
	},
	{
		name: "redis", service: "cache", tag: "redis:7-alpine",
		steps: []string{"data"},
		undo:  map[string]edit{"etc/passwd": line(`(redis:.*):/data:`, "$1:/var/lib/redis:")},
	},
	{
		name: "postgres", service: "db", tag: "postgres:16-alpine",
		steps: []string{"usr/lib/postgresql/current", "docker-entrypoint-initdb.d", "run/postgresql", "var/lib/postgresql/data"},
		undo:  map[string]edit{"usr/share/postgresql/*/postgresql.conf.sample": line(`listen_addresses = .*`, "#listen_addresses = 'localhost'")},
	},
}

// packedImage is an image of two layers as tests/images keeps it.
type packedImage struct {
	config config
	base   ocispec.Descriptor
	top    []byte // uncompressed
}

// readPacked reads an image of the layout; of an index, the first one, which what testifies to it follows.
func readPacked(store *images.Store, name string) (*packedImage, error) {
	all, err := store.Images()
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	var index struct{ Manifests []ocispec.Descriptor }
	if err := readBlob(store, all[fullName(name)].Digest, &index, &m); err != nil {
		return nil, err
	}
	if len(index.Manifests) > 0 {
		if err := readBlob(store, index.Manifests[0].Digest, &m); err != nil {
			return nil, err
		}
	}
	if len(m.Layers) != 2 {
		return nil, fmt.Errorf("%s has %d layers, want a base and what its packages add", name, len(m.Layers))
	}
	p := &packedImage{base: m.Layers[0]}
	if err := readBlob(store, m.Config.Digest, &p.config); err != nil {
		return nil, err
	}
	p.top, err = unzipped(store, m.Layers[1])
	return p, err
}

func readBlob(store *images.Store, d digest.Digest, values ...any) error {
	f, err := store.Open(d)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	for _, v := range values {
		if err := json.Unmarshal(text, v); err != nil {
			return fmt.Errorf("read %s: %w", d, err)
		}
	}
	return nil
}

func unzipped(store *images.Store, layer ocispec.Descriptor) ([]byte, error) {
	f, err := store.Open(layer.Digest)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	plain.Grow(3 * int(layer.Size)) // programs shrink to a third or more: it is not copied as it grows
	_, err = io.Copy(&plain, zip)
	return plain.Bytes(), err
}

func line(find, with string) edit { return edit{regexp.MustCompile(`(?m)^` + find), with} }

// context makes the folder that an image is built from: the Dockerfile, packages.tar, and the files of tests/images. It is
// for COPY to say who may read those.
func (p *publicImage) context(dir string, layer []byte) error {
	dockerfile, err := os.ReadFile(filepath.Join("testdata/public", p.name, "Dockerfile"))
	if err != nil {
		return err
	}
	own := os.DirFS(filepath.Join(harness.Repository(), "tests/images/files", p.name))
	var brought []string
	err = fs.WalkDir(own, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(dir, "files", name), 0o700))
		}
		brought = append(brought, name)
		content, err := fs.ReadFile(own, name)
		return errors.Join(err, os.WriteFile(filepath.Join(dir, "files", name), content, 0o600))
	})
	if err != nil {
		return err
	}
	archive, err := os.Create(filepath.Join(dir, "packages.tar"))
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	return errors.Join(
		p.packages(archive, bytes.NewReader(layer), slices.Concat(brought, p.steps)),
		os.WriteFile(filepath.Join(dir, "Dockerfile"), dockerfile, 0o600),
	)
}

// packages writes a layer as it was before there were the files and folders of later steps.
func (p *publicImage) packages(w io.Writer, layer io.Reader, later []string) error {
	tr, tw, undone := tar.NewReader(layer), tar.NewWriter(w), 0
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, content := path.Clean(h.Name), io.Reader(tr)
		switch base := path.Base(name); {
		case base == opaque, isBelow(name, later): // a folder is opaque when the base does not have it
			continue
		case strings.HasPrefix(base, whiteout):
			return fmt.Errorf("the packages remove %s of the base, which ADD of an archive cannot: let a RUN do it", name)
		}
		if e, ok := p.edited(name); ok {
			was, err := io.ReadAll(tr)
			if err != nil {
				return err
			}
			is := e.find.ReplaceAll(was, []byte(e.with))
			if bytes.Equal(was, is) {
				return fmt.Errorf("%s does not have what setup has written there: %s", name, e.find)
			}
			h.Size, content = int64(len(is)), bytes.NewReader(is)
			undone++
		}
		if err := member(tw, h, content); err != nil {
			return err
		}
	}
	if undone != len(p.undo) {
		return fmt.Errorf("%d files to be undone, %d are there", len(p.undo), undone)
	}
	for name, content := range p.extra {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if err := member(tw, h, strings.NewReader(content)); err != nil {
			return err
		}
	}
	return tw.Close()
}

func (p *publicImage) edited(name string) (edit, bool) {
	for pattern, e := range p.undo {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return e, true
		}
	}
	return edit{}, false
}

func isBelow(name string, places []string) bool {
	return slices.ContainsFunc(places, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
}

func member(tw *tar.Writer, h *tar.Header, content io.Reader) error {
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(tw, content)
	return err
}
