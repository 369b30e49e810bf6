package images

import (
	"archive/tar"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// corners makes images for what the public ones seldom do, all on one layer of busybox, below docker.io/tests/:
//
//	whiteouts   three layers that take files, a folder and all of a folder's old content away again
//	config      every field that an image's configuration can have, and a health check (Docker's media types)
//	shell       an entry point without a command, and a user by name
//	empty       no layer worth speaking of, and no command at all
func (m *maker) corners(base Layer) error {
	makers := map[string]func(Layer) (Image, error){
		"whiteouts": m.whiteouts,
		"config":    m.fullConfig,
		"shell":     m.shell,
		"empty":     m.empty,
	}
	for name, make := range makers {
		img, err := make(base)
		if err != nil {
			return err
		}
		d, err := m.store.Image(img)
		if err != nil {
			return err
		}
		m.name("docker.io/tests/"+name, d, "latest")
	}
	return nil
}

func (m *maker) whiteouts(base Layer) (Image, error) {
	below, err := m.store.LayerOf(
		dir("data/"), dir("data/kept/"), file("data/kept/old", "old\n"), file("data/gone", "gone\n"),
		dir("data/folder/"), file("data/folder/gone", "gone\n"),
		dir("data/opaque/"), file("data/opaque/gone", "gone\n"),
		dir("data/turned/"), file("data/turned/gone", "gone\n"),
	)
	if err != nil {
		return Image{}, err
	}
	above, err := m.store.LayerOf(
		file("data/.wh.gone", ""), file("data/.wh.folder", ""),
		dir("data/opaque/"), file("data/opaque/.wh..wh..opq", ""), file("data/opaque/new", "new\n"),
		file("data/turned", "a file now\n"),
		Entry{Header: tar.Header{Name: "data/link", Typeflag: tar.TypeSymlink, Linkname: "kept/old"}},
		Entry{Header: tar.Header{Name: "data/hard", Typeflag: tar.TypeLink, Linkname: "data/opaque/new"}},
		Entry{Header: tar.Header{Name: "data/setuid", Mode: 0o4755, Uid: 1234, Gid: 5678}, Content: "\n"},
		Entry{Header: tar.Header{Name: "data/fifo", Typeflag: tar.TypeFifo}},
	)
	return Image{
		Layers: []Layer{base, below, above},
		Config: Config{ImageConfig: ocispec.ImageConfig{Env: []string{searchPath}, Cmd: []string{"find", "/data"}}},
	}, err
}

func (m *maker) fullConfig(base Layer) (Image, error) {
	top, err := m.store.LayerOf(dir("srv/"), dir("srv/www/"), Entry{
		Header:  tar.Header{Name: "srv/www/index.html", Uid: 33, Gid: 33},
		Content: "hello from the image\n",
	})
	return Image{
		Docker: true,
		Layers: []Layer{base, top},
		Config: Config{
			ImageConfig: ocispec.ImageConfig{
				User:         "www-data:nobody",
				Env:          []string{searchPath, "FROM_IMAGE=yes", "EMPTY="},
				Entrypoint:   []string{"/bin/sh", "-c", `exec "$0" "$@"`},
				Cmd:          []string{"httpd", "-f", "-v", "-p", "8080"},
				WorkingDir:   "/srv/www",
				ExposedPorts: map[string]struct{}{"8080/tcp": {}, "5353/udp": {}},
				Volumes:      map[string]struct{}{"/srv/www": {}},
				Labels:       map[string]string{"org.example.from": "image"},
				StopSignal:   "SIGINT",
			},
			Healthcheck: &Healthcheck{
				Test:     []string{"CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/"},
				Interval: time.Second, Timeout: 2 * time.Second, Retries: 5,
			},
		},
	}, err
}

func (m *maker) shell(base Layer) (Image, error) {
	return Image{
		Layers: []Layer{base},
		Config: Config{ImageConfig: ocispec.ImageConfig{User: "nobody", Entrypoint: []string{"/bin/sh", "-c"}}},
	}, nil
}

func (m *maker) empty(Layer) (Image, error) {
	layer, err := m.store.LayerOf(dir("nothing/"))
	return Image{Layers: []Layer{layer}}, err
}

func dir(name string) Entry { return Entry{Header: tar.Header{Name: name, Typeflag: tar.TypeDir}} }

func file(name, content string) Entry {
	return Entry{Header: tar.Header{Name: name, Typeflag: tar.TypeReg}, Content: content}
}
