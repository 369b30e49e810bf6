package docker

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// operation is a method of a path of the API.
type operation struct{ method, path string }

// operations are those of the API's own description, in its order.
func operations(t *testing.T) []operation {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/moby/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "swagger.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, text2, ok := strings.Cut(string(text), "\npaths:\n")
	if !ok {
		t.Fatal("the description has no paths")
	}
	path, method := regexp.MustCompile(`^  "?(/[^:"]*)"?:$`), regexp.MustCompile(`^    (get|put|post|delete|head):$`)
	var out []operation
	at := ""
	for line := range strings.Lines(text2) {
		line = strings.TrimRight(line, "\n")
		if m := path.FindStringSubmatch(line); m != nil {
			at = m[1]
		} else if m := method.FindStringSubmatch(line); m != nil {
			out = append(out, operation{strings.ToUpper(m[1]), at})
		}
	}
	return out
}

// whyRefused says why, by the beginning of the path, and what to do.
var whyRefused = map[string]string{
	"/swarm":                      noSwarmHere,
	"/swarm/init":                 noSwarmMode,
	"/swarm/join":                 noSwarmMode,
	"/nodes":                      noSwarmHere,
	"/services":                   noSwarmHere,
	"/tasks":                      noSwarmHere,
	"/secrets":                    noSwarmHere + "; `tiffin secret` has secrets for Compose files",
	"/configs":                    noSwarmHere,
	"/volumes/{name}":             noSwarmHere,
	"/plugins":                    "drivers are built in: nobody's programs run as root beside the engine",
	"/images/{name}/attestations": "they are kept, pushed and saved with their image, and only not shown",
	"/images/search":              "registries of today have no search that all of them know: look at the registry's page",
	"/containers/{id}/attach/ws":  "for browsers, which cannot reach a unix socket; `POST /containers/{id}/attach` does the same",
}

const (
	noSwarmHere = "503, as dockerd that is in no swarm"
	noSwarmMode = "one machine is what tiffin is for"
)

// remarks are on routes that are done.
var remarks = map[string]string{
	"GET /plugins":                 "there are none",
	"GET /containers/{id}/stats":   "a stream, two readings a second apart, or one at once (`one-shot`)",
	"GET /containers/{id}/changes": "without the mount points that a start makes",
	"GET /containers/{id}/top":     "as `ps -ef` by tiffin itself; with other `ps_args` by the host's `ps`, 501 without one",
	"POST /images/create":          "pulls, and imports what comes with the request; not from an address",
	"POST /images/{name}/push":     "what is here of it, or, as with `get` and `load`, one platform of it",
	"POST /containers/create":      "every field of HostConfig is carried out, or refused by its name (`engine/docker/shape`)",
	"DELETE /containers/{id}":      "but for `link`",
	"POST /containers/{id}/exec":   "further processes are forgotten with the engine, as by dockerd",
	"POST /build":                  "by BuildKit, in the text of Docker's first builder; with `version=2`, a `session` and no body (docker's command without buildx) in BuildKit's messages; buildx has `POST /grpc`",
	"POST /session":                "for buildx's docker driver, with `POST /grpc`",
	"GET /_ping":                   "`HEAD`, too",
}

const (
	isDone    = "done"
	isRefused = "refused"
	isNotYet  = "not yet"
)

// noEngine is all of an engine, and has none. Who asks its builder, which is done on another goroutine, gives up.
type noEngine struct {
	Backend
	asked context.CancelFunc
}

func (e *noEngine) Build(context.Context, net.Conn) error {
	e.asked()
	return nil
}

// fate finds out what becomes of an operation: it is asked of a server that has no engine.
func fate(t *testing.T, s *Server, none *noEngine, op operation) string {
	t.Helper()
	target := strings.NewReplacer("{", "x", "}", "").Replace(op.path)
	if op.path == "/images/create" {
		target += "?fromImage=x" // without it is an import
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	none.asked = cancel
	r := httptest.NewRequestWithContext(ctx, op.method, target, nil)
	if _, pattern := s.mux.Handler(r); pattern == "/" || pattern == "" {
		return isNotYet
	}
	w := httptest.NewRecorder()
	func() {
		defer func() { _ = recover() }() // what asks the engine is done
		s.ServeHTTP(w, r)
	}()
	if w.Code == http.StatusNotImplemented || w.Code == http.StatusServiceUnavailable {
		return isRefused
	}
	return isDone
}

const apiIntro = `# The Docker Engine API

What speaks to Docker speaks to tiffin: set ` + "`DOCKER_HOST=unix:///run/tiffin/tiffin.sock`" + `, or run the engine with ` + "`tiffin engine --docker-socket`" + `, which
lets ` + "`/var/run/docker.sock`" + ` lead there while it runs, unless something is there already. Versions ` + MinVersion + ` to ` + MaxVersion + ` are spoken. Containers, networks, volumes and images
are the same for both worlds: ` + "`docker ps`" + ` shows what ` + "`tiffin up`" + ` made, and the other way round.

**Who may.** The socket is root's alone. ` + "`{\"socket-group\": \"docker\"}`" + ` in ` + "`engine.json`" + ` of the engine's data folder lets the members of a group use it, and pass
the run root; they are root on the host by that, as with Docker. Who connects is looked at by the kernel's credentials (SO_PEERCRED), also where the socket was mounted into
a container: root there is root here, others are not.

**In containers.** ` + "`-v /run/tiffin/tiffin.sock:/var/run/docker.sock`" + `, or ` + "`use_api_socket: true`" + ` in a Compose file, which brings the caller's logins, too. Both warn: who gets into such a
container is root on the host. The socket goes on working when the engine is killed, stopped, or replaced by another version: calls that are under way end, and who connects waits for the next engine, which
is started for him if need be. A folder that is mounted with the socket in it has that of the engine that runs, and none while none does.
Where a client of the API binds ` + "`/var/run/docker.sock`" + ` and nothing is there on the host, the engine's socket is meant.

**Testcontainers** needs ` + "`DOCKER_HOST`" + ` and nothing else; its reaper runs as with dockerd. In a container, mount the socket at ` + "`/var/run/docker.sock`" + ` and set nothing, unless dockerd's
socket is on the host, too: then ` + "`TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE=/run/tiffin/tiffin.sock`" + `, or the reaper asks dockerd and clears up nothing. Containers have ` + "`/.dockerenv`" + `, by which the
library knows that ports are published at the gateway of the network ` + "`bridge`" + `; that is there while a container that was made by this API is on it or publishes ports.

**Events.** All that dockerd sends are sent, also of what tiffin's own commands do, but for those of the processes of health checks and hooks (` + "`exec_create`, `exec_start`, `exec_die`" + `): they would push all others out of
what is kept for ` + "`--since`" + `. There is no ` + "`copy`" + ` (dockerd of today sends ` + "`archive-path` and `extract-to-dir`" + `, too), no ` + "`reload`" + ` (settings are read when the engine starts), no ` + "`checkpoint`" + `, and nothing of swarms: ` + "`update` and `remove`" + ` of networks,
services, nodes, secrets and configs. Who asks for nothing but ` + "`event=start`" + ` from now on is told of containers that run and were started less than a second before, too: the dev containers' CLI has
` + "`docker events` and `docker run`" + ` begin at once, and waits for the start.

Each route of the API is here, as its description (` + "`swagger.yaml`" + ` of github.com/moby/moby/api) lists them. *refused* answers 501, or what is said. This page is made by a test, which asks
the server: ` + "`UPDATE=1 go test ./engine/docker -run Docs`" + `.
`

// TestTheDocsHaveEachRoute compares docs/api.md with what the server answers; UPDATE=1 writes it.
func TestTheDocsHaveEachRoute(t *testing.T) {
	t.Parallel()
	none := &noEngine{}
	s, ok := serverOf(t, none).(*Server)
	if !ok {
		t.Fatal("another server")
	}
	var b strings.Builder
	b.WriteString(apiIntro)
	group := ""
	used := map[string]bool{}
	list := operations(t)
	groupOf := func(op operation) string { return strings.Split(op.path, "/")[1] }
	var groups []string
	for _, op := range list {
		if g := groupOf(op); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	slices.SortStableFunc(list, func(a, b operation) int {
		return slices.Index(groups, groupOf(a)) - slices.Index(groups, groupOf(b))
	})
	if len(list) < 100 {
		t.Fatalf("%d operations", len(list))
	}
	for _, op := range list {
		if g := groupOf(op); g != group {
			group = g
			fmt.Fprintf(&b, "\n| /%s | | |\n|---|---|---|\n", group)
		}
		name := op.method + " " + op.path
		is, remark := fate(t, s, none, op), remarks[name]
		if is == isRefused {
			for _, prefix := range slices.Sorted(maps.Keys(whyRefused)) { // the longest of several is the last
				if op.path == prefix || strings.HasPrefix(op.path, prefix+"/") {
					remark = whyRefused[prefix]
					used[prefix] = true
				}
			}
			if remark == "" {
				t.Errorf("%s is refused: say why in whyRefused", name)
			}
		} else if remark != "" {
			used[name] = true
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, is, remark)
	}
	for name := range whyRefused {
		if !used[name] {
			t.Errorf("whyRefused has %s, which is not refused", name)
		}
	}
	for name := range remarks {
		if !used[name] {
			t.Errorf("remarks have %s, which is no route that is done", name)
		}
	}
	const file = "../../docs/api.md"
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("run UPDATE=1 go test ./engine/docker -run Docs: want -, got +\n%s", diff)
	}
}
