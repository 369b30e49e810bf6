package build

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
)

// openSession is what clients have that speak to dockerd without buildx: a session beside the build.
func (d *daemon) openSession(t *testing.T, files map[string]string) *session.Session {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	s, err := session.NewSession(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := sent(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": folder, "dockerfile": folder}))
	s.Allow(secretsprovider.FromMap(map[string][]byte{"token": []byte("s3cret")}))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context(), d.hijacked) }()
	t.Cleanup(func() {
		_ = s.Close() // Run says it
		if err := <-ended; err != nil {
			t.Errorf("session: %v", err)
		}
	})
	return s
}

// hijacked makes a connection that is the session's from then on.
func (d *daemon) hijacked(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(d.Run, "tiffin.sock"))
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker/session", http.NoBody)
	if err != nil {
		return nil, err
	}
	for name, values := range meta {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", proto)
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, r) //nolint:bodyclose // what follows is the session
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.New(resp.Status)
	}
	return begun{conn, in}, nil
}

// begun is a connection of which something may have been read already: the engine speaks first.
type begun struct {
	net.Conn
	in *bufio.Reader
}

func (b begun) Read(p []byte) (int, error) { return b.in.Read(p) }

// What docker's command of 20.10 asks for without buildx: the context and secrets come over its session.
func TestTheClassicAPIBuildsOverASession(t *testing.T) {
	d := newDaemon(t)
	before := d.warm(t)
	t.Run("session", func(t *testing.T) { // which ends with it
		s := d.openSession(t, dockerBuild)
		over := "version=2&remote=client-session&session=" + s.ID()
		_, id, failed := d.answered(t, over+`&t=over&buildargs={"WHO":"me"}&networkmode=default`, nil)
		if failed != nil || !strings.HasPrefix(id, "sha256:") {
			t.Fatalf("image %q, %v", id, failed)
		}
		if got := d.says(t, "over", "cat", "/out", "/file"); got != "hello me\ncontent\n" {
			t.Errorf("the image has %q", got)
		}
		if _, _, failed := d.answered(t, over+"&dockerfile=secret", nil); failed != nil {
			t.Errorf("with a secret: %v", failed)
		}
		if _, _, failed := d.answered(t, over+"&dockerfile=fails", nil); failed == nil || failed.Code != 3 {
			t.Errorf("a step that fails: %v", failed)
		}
		if _, _, failed := d.answered(t, over+"&dockerfile=nosuch", nil); failed == nil || !strings.Contains(failed.Message, "nosuch") {
			t.Errorf("without a Dockerfile: %v", failed)
		}
	})
	if _, _, failed := d.answered(t, "version=2&remote=client-session&session=nosuch", nil); failed == nil {
		t.Error("a build over a session that nobody has is said to be good")
	}
	d.NothingLeft(t, before)
}
