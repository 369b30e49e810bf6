package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tiffin/tests/harness"
)

const survivor = `
name: shop
services:
  web:
    image: busybox
    init: true
    command: [httpd, -f, -p, "8080", -h, /www]
    volumes: ["./www:/www"]
    ports: ["127.0.0.1:${PORT}:8080", "[::1]:${PORT}:8080"]
  client:
    image: busybox
    init: true
    command:
    - sh
    - -c
    - |
      while :; do
        if nslookup web. >/tmp/said 2>&1; then echo fine; else echo FAILED; cat /tmp/said; fi
        sleep 0.01
      done
`

// An engine that is killed comes back by itself, and in between a name is still found, and a published port still answers:
// they wait a moment at most.
func TestNamesAndPortsOutliveTheEngine(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Env["PORT"] = freePort(t)
	e.Write(t, "compose.yaml", survivor)
	e.Write(t, "www/index.html", "still here\n")
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")
	pages := []string{"http://127.0.0.1:" + e.Env["PORT"] + "/", "http://[::1]:" + e.Env["PORT"] + "/"}
	for _, page := range pages {
		answers(t, page)
	}

	stop := make(chan struct{})
	var clients sync.WaitGroup
	clients.Go(func() { // straight to the container: no connection is ever lost
		for running(stop) {
			browse(t, pages[0], "still here")
		}
	})
	clients.Go(func() { // a connection that the engine forwards ends with it; the next one waits, and is not refused
		for running(stop) {
			if err := touch("[::1]:" + e.Env["PORT"]); err != nil {
				t.Error(err)
				return
			}
		}
		browse(t, pages[1], "still here")
	})
	for range 3 {
		pid := enginePid(t, e)
		killEngine(t, e)
		// Nobody calls a command: it is a keeper that starts the next one.
		harness.Until(t, 10*time.Second, "another engine listens", func() bool {
			c, err := net.Dial("unix", filepath.Join(e.Run, "tiffin.sock"))
			return err == nil && c.Close() == nil
		})
		if next := enginePid(t, e); next == pid {
			t.Fatalf("the engine is still %d", pid)
		}
	}
	close(stop)
	clients.Wait()

	said := e.OK(t, "logs", "--no-log-prefix", "client")
	if strings.Contains(said, "FAILED") || strings.Count(said, "fine") < 10 {
		t.Errorf("the client in the container says:\n%s", said)
	}
	log, err := os.ReadFile(filepath.Join(e.Run, "engine.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "level=ERROR") || strings.Contains(string(log), "level=WARN") {
		t.Errorf("the engines complain:\n%s", log)
	}
	e.OK(t, "down", "-t", "1")
	e.NothingLeft(t, without(before, e))
}

// touch connects and waits for an answer, or for the connection's end: whoever forwards it may end.
func touch(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it was read to its end
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return nil // it has ended
	}
	_, err = io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

func running(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// An engine that was told to end stays away, and the ports of a container that ended are free, whoever kept them.
func TestAnEngineThatIsStoppedStaysAway(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Env["PORT"] = freePort(t)
	e.Write(t, "compose.yaml", survivor)
	e.Write(t, "www/index.html", "still here\n")
	e.OK(t, "up", "-d")
	e.OK(t, "engine", "stop")
	harness.Until(t, 5*time.Second, "there is no engine", func() bool {
		return !slices.ContainsFunc(e.Processes(), func(p harness.Process) bool { return strings.HasPrefix(p.Command, "tiffin engine") })
	})
	e.OK(t, "stop", "-t", "1", "web")
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, e.Env["PORT"]))
		if err != nil {
			t.Errorf("the port is not free: %v", err)
			continue
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	e.OK(t, "down", "-t", "1")
}
