package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiffin/tests/harness"
)

const watched = `
name: watched
services:
  plain:
    image: busybox
    init: true
    user: "1234:1234"
    scale: 2
    command: [sleep, "1000"]
    develop:
      watch:
        - {path: ./src, action: sync, target: /app, ignore: [ignored/], initial_sync: true}
  closed:
    image: busybox
    init: true
    read_only: true
    command: [sleep, "1000"]
    develop:
      watch:
        - path: ./src
          action: sync+exec
          target: /app
          include: ["*.run"]
          exec: {command: [sh, -c, "cat /app/*.run; id -un"], user: nobody}
  ended:
    image: busybox
    command: ["true"]
    develop:
      watch: [{path: ./src, action: sync, target: /app}]
  bare:
    build: {context: ./bare, dockerfile_inline: "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /sleep\nCOPY page /page\n"}
    init: true
    entrypoint: ["/sleep", "1000"]
    develop:
      watch:
        - {path: ./bare, action: rebuild, include: [page]}
        - {path: ./src, action: sync, target: /app}
`

// Watch has containers follow the source, whatever is in them and however it is changed.
func TestWatchWritesIntoContainersOfAllKinds(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Write(t, "compose.yaml", watched)
	e.Write(t, "src/first", "first\n")
	e.Write(t, "bare/page", "one\n")
	e.OK(t, "pull", "--ignore-buildable")
	w := e.Start(t, "watch")
	w.Says(t, "Watch enabled")
	in := func(args ...string) func() string {
		return func() string { return strings.TrimSpace(e.Do(t, append([]string{"exec", "-T"}, args...)...).Stdout) }
	}
	until := func(what, want string, get func() string) {
		t.Helper()
		got := ""
		if !harness.Eventually(20*time.Second, func() bool { got = get(); return got == want }) {
			t.Fatalf("%s: got %q, want %q\n%s", what, got, want, w.Output())
		}
	}
	until("initial sync", "first", in("--index", "2", "plain", "cat", "/app/first"))

	e.Write(t, "src/new/folder/a", "a\n")
	for _, index := range []string{"1", "2"} {
		until("a new folder with a file", "1234", in("--index", index, "plain", "stat", "-c", "%u", "/app/new/folder/a"))
	}
	must(t, os.WriteFile(e.Dir+"/src/.first.swp", []byte("x"), 0o600))
	must(t, os.WriteFile(e.Dir+"/src/first~", []byte("second\n"), 0o644))
	must(t, os.Rename(e.Dir+"/src/first~", e.Dir+"/src/first"))
	until("written beside and renamed", "second", in("plain", "cat", "/app/first"))

	e.Write(t, "src/ignored/x", "x\n")
	must(t, os.Rename(e.Dir+"/src/new", e.Dir+"/src/old"))
	until("a renamed folder", "first\nold", in("plain", "ls", "-A", "/app"))
	e.Write(t, "src/old/folder/a", "again\n")
	until("in the renamed folder", "again", in("plain", "cat", "/app/old/folder/a"))
	must(t, os.RemoveAll(e.Dir+"/src/old"))
	until("a removed folder", "first", in("plain", "ls", "-A", "/app"))

	e.Write(t, "src/now.run", "ran\n")
	w.Says(t, "ran\nnobody\n")

	many := filepath.Join(e.Dir, "src/many")
	must(t, os.MkdirAll(many, 0o755))
	for i := range 2000 {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d", many, i), []byte("x"), 0o644))
	}
	until("2000 files", "2000", in("plain", "sh", "-c", "ls /app/many | wc -l"))
	must(t, os.RemoveAll(many))
	until("2000 files gone", "first\nnow.run", in("plain", "ls", "-A", "/app"))

	// The rebuilt container is another one, of another image; the one before is gone.
	images := func() string { return fmt.Sprint(strings.Count(e.OK(t, "images", "-q", "bare"), "\n")) }
	before := e.OK(t, "ps", "-q", "bare")
	e.Write(t, "bare/page", "two\n")
	w.Says(t, `service(s) ["bare"] successfully built`)
	if after := e.OK(t, "ps", "-q", "bare"); after == before {
		t.Errorf("the container is the same")
	}
	until("one image", "1", images)

	e.Write(t, "src/last", "last\n")
	until("everywhere", "last", in("plain", "cat", "/app/last"))
	w.Says(t, `Syncing service "ended"`)
	w.Interrupt(t)
	if code := w.Code(t); code != 130 {
		t.Errorf("exit code %d\n%s", code, w.Output())
	}
	// Those that cannot be looked into by a command.
	for _, service := range []string{"ended", "bare"} {
		id := strings.TrimSpace(e.OK(t, "ps", "-aq", "--no-trunc", service))
		text, err := os.ReadFile(filepath.Join(e.Data, "containers", id, "upper/app/last"))
		if err != nil || string(text) != "last\n" {
			t.Errorf("%s: %q, %v\n%s", service, text, err, w.Output())
		}
	}
	if strings.Contains(w.Output(), "WARNING") {
		t.Errorf("warned:\n%s", w.Output())
	}
	e.OK(t, "down", "-t", "0")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An attached up shows what the containers write beside what watch does, and goes on when a container has ended.
func TestUpWatchRestartsWhatHasEnded(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Write(t, "compose.yaml", `
services:
  web:
    image: busybox
    command: [sh, -c, "cat /etc/page || echo none"]
    develop: {watch: [{path: ./page, action: sync+restart, target: /etc/}]}
`)
	e.OK(t, "pull")
	w := e.Start(t, "up", "--watch")
	w.Says(t, "| none")
	w.Says(t, "⦿ Watch enabled")
	e.Write(t, "page", "there now\n")
	w.Says(t, `⦿ service(s) ["web"] restarted`)
	w.Says(t, "| there now")
	w.Interrupt(t)
	if code := w.Code(t); code != 130 {
		t.Errorf("exit code %d\n%s", code, w.Output())
	}
	e.OK(t, "down", "-t", "0")
}
