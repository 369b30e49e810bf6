package docker

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tiffin/engine"
)

func TestWhoGivesAContainerTheSocketIsWarned(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir's path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, link := filepath.Join(dir, "tiffin.sock"), filepath.Join(dir, "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // of a test
	if err := os.Symlink(socket, link); err != nil {
		t.Fatal(err)
	}
	s := New(Config{Log: slog.New(slog.DiscardHandler), Closing: t.Context(), RunRoot: dir}, oneContainer())
	for source, warned := range map[string]bool{socket: true, link: true, dir: false, filepath.Join(dir, "none"): false, "volume": false} {
		for _, host := range []string{
			fmt.Sprintf(`{"Binds": ["%s:/var/run/docker.sock"]}`, source),
			fmt.Sprintf(`{"Mounts": [{"Type": "%s", "Source": "%s", "Target": "/s"}]}`, map[bool]string{true: "bind", false: "volume"}[source[0] == '/'], source),
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/containers/create", strings.NewReader(`{"Image": "sha256:1", "HostConfig": `+host+`}`))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != http.StatusCreated || strings.Contains(w.Body.String(), socketWarning) != warned {
				t.Errorf("%s: %d %s", host, w.Code, w.Body)
			}
		}
	}
}

func TestTheSocketStandsInForDockerdsThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other, missing := filepath.Join(dir, "other.sock"), filepath.Join(dir, "docker.sock")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling.sock")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	s := New(Config{Log: slog.New(slog.DiscardHandler), Closing: t.Context(), RunRoot: "/run/ours"}, oneContainer())
	for name, c := range map[string]struct {
		mount engine.Mount
		want  string
	}{
		"nothing is there":            {engine.Mount{Type: engine.MountBind, Source: missing}, "/run/ours/tiffin.sock"},
		"it is there":                 {engine.Mount{Type: engine.MountBind, Source: other}, other},
		"what is there leads nowhere": {engine.Mount{Type: engine.MountBind, Source: dangling}, dangling},
		"another place":               {engine.Mount{Type: engine.MountBind, Source: missing + "x"}, missing + "x"},
		"a volume is no place":        {engine.Mount{Type: engine.MountVolume, Source: missing}, missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := &engine.ContainerSpec{Mounts: []engine.Mount{c.mount}}
			s.leadToSocket(spec, []string{missing, other, dangling})
			if got := spec.Mounts[0].Source; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
