package caller

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEngineEnvironment(t *testing.T) {
	got := engineEnvironment([]string{"PATH=/bin", "PASSWORD=secret", "https_proxy=x", "TIFFIN_DATA_ROOT=relative"})
	if d := cmp.Diff([]string{"PATH=/bin", "https_proxy=x"}, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func TestOnceFreed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &Caller{Env: []string{RunRootVar + "=" + dir}}
	running := errors.New("running")
	tries := 0
	ends := func() error {
		if tries++; tries < 3 {
			return running
		}
		return nil
	}
	if err := c.OnceFreed(t.Context(), running, running, ends); err != nil || tries != 3 {
		t.Errorf("an engine that ends: %v after %d tries", err, tries)
	}
	l, err := net.Listen("unix", c.Roots().Socket())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Listener = l
	s.Start()
	defer s.Close()
	lock, err := LockFile(engineLock(c.Roots()))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() //nolint:errcheck // of a test
	stays := func() error { t.Error("tried again"); return nil }
	if err := c.OnceFreed(t.Context(), running, running, stays); !errors.Is(err, running) {
		t.Errorf("an engine that answers: %v", err)
	}
}

// A keeper has the socket of an engine that was killed: who connects is not refused, and is not answered either.
func TestASocketThatWasKeptIsNoEngine(t *testing.T) {
	t.Parallel()
	c := &Caller{Env: []string{RunRootVar + "=" + t.TempDir()}}
	l, err := net.Listen("unix", c.Roots().Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // of a test
	if client, err := c.ConnectIfRunning(); client != nil || err != nil {
		t.Errorf("%v, %v", client, err)
	}
	if c.answers(t.Context()) {
		t.Error("it answers")
	}
	lock, err := LockFile(engineLock(c.Roots()))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() //nolint:errcheck // of a test
	if client, err := c.ConnectIfRunning(); client == nil || err != nil {
		t.Errorf("it has its lock: %v, %v", client, err)
	}
}
