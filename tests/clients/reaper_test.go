package clients

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	tc "github.com/testcontainers/testcontainers-go"
	"tiffin/tests/harness"
)

// TestReaper runs sessions of Testcontainers, which terminate nothing, with the reaper that
// the library starts beside them. Whatever becomes of a session, its things go, and nobody
// else's do.
func TestReaper(t *testing.T) {
	e := engine(t, harness.Registry(t), "busybox", "nginx")
	r := &reaping{e: e, programs: t.TempDir()}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", r.programs, "./reaper", "./session")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var err error
	if r.api, err = client.New(client.WithHost(e.DockerHost())); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.api.Close() }()
	r.load(t, tc.ReaperDefaultImage, "reaper", reaperLabel) //nolint:staticcheck // what takes its place is internal, and the image has to be the one that is asked for
	r.load(t, sessionImage, "session", "tests")
	before := e.Snapshot(t)
	t.Run("ends", r.ends)
	t.Run("killed", r.killed)
	t.Run("beside", r.beside)
	t.Run("inside", r.inside)
	t.Run("node", r.node)
	if !t.Failed() {
		e.NothingLeft(t, before)
	}
}

const (
	sessionLabel = "org.testcontainers.sessionId="
	// reaperLabel is one of the reaper's image: by it reapers are found, and spare themselves.
	reaperLabel  = "org.testcontainers.ryuk"
	sessionImage = "tests/session"
	// all is what a session makes, with the reaper.
	all  = "4 containers, 1 networks, 1 volumes, 1 images"
	none = "0 containers, 0 networks, 0 volumes, 0 images"
)

// reaping is an engine with what sessions need.
type reaping struct {
	e        *harness.Tiffin
	api      *client.Client
	programs string
}

// load gives the engine an image with one of the programs.
func (r *reaping) load(t *testing.T, name, program, label string) {
	t.Helper()
	archive, err := imageOf(name, filepath.Join(r.programs, program), map[string]string{label: "true"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.api.ImageLoad(t.Context(), archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Close() }()
	if said, err := io.ReadAll(answer); err != nil || !strings.Contains(string(said), "Loaded image: "+name) {
		t.Fatalf("load %s: %q, %v", name, said, err)
	}
}

// session is one that runs.
type session struct {
	id     string
	cmd    *exec.Cmd
	stdin  io.Closer // it ends with that
	stdout *bufio.Scanner
	stderr strings.Builder
}

// begin starts a session; the host is where ports are published on, or it would be what
// the library finds out: another place when these tests run in a container themselves.
func (r *reaping) begin(t *testing.T, id string, env ...string) *session {
	t.Helper()
	s := &session{id: id, cmd: exec.CommandContext(t.Context(), filepath.Join(r.programs, "session"))}
	s.cmd.Env = append(r.environ(id), "DOCKER_HOST="+r.e.DockerHost(), "TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1")
	s.cmd.Env = append(s.cmd.Env, env...)
	s.start(t)
	return s
}

func (s *session) start(t *testing.T) {
	t.Helper()
	s.cmd.Stderr = &s.stderr
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdin, s.stdout = stdin, bufio.NewScanner(stdout)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (r *reaping) environ(id string) []string {
	return []string{
		"HOME=" + r.e.Dir, // a ~/.testcontainers.properties would be read
		"TESTCONTAINERS_RYUK_DISABLED=false", "TESTCONTAINERS_SESSION_ID=" + id, "RYUK_RECONNECTION_TIMEOUT=500ms",
	}
}

// ready waits until a session has made everything.
func (s *session) ready(t *testing.T) {
	t.Helper()
	for s.stdout.Scan() {
		if s.stdout.Text() == "ready" {
			return
		}
	}
	t.Fatalf("session %s: %v\n%s", s.id, s.cmd.Wait(), &s.stderr)
}

// end lets a session end as it should.
func (s *session) end(t *testing.T) {
	t.Helper()
	if err := s.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("session %s: %v\n%s", s.id, err, &s.stderr)
	}
}

// kill ends it without a chance to do anything.
func (s *session) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.cmd.Wait() // killed
}

// has compares what is there with a session's label.
func (r *reaping) has(t *testing.T, label, want string) {
	t.Helper()
	of := make(client.Filters).Add("label", label)
	containers, err := r.api.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: of})
	if err != nil {
		t.Fatal(err)
	}
	networks, err := r.api.NetworkList(t.Context(), client.NetworkListOptions{Filters: of})
	if err != nil {
		t.Fatal(err)
	}
	volumes, err := r.api.VolumeList(t.Context(), client.VolumeListOptions{Filters: of})
	if err != nil {
		t.Fatal(err)
	}
	images, err := r.api.ImageList(t.Context(), client.ImageListOptions{Filters: of})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%d containers, %d networks, %d volumes, %d images", len(containers.Items), len(networks.Items), len(volumes.Items), len(images.Items))
	if got != want {
		t.Errorf("%s: got %s, want %s", label, got, want)
	}
}

// listen is the engine's events from now on.
func (r *reaping) listen(t *testing.T, filters client.Filters) (next func(what string, is func(events.Message) bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	heard := r.api.Events(ctx, client.EventsListOptions{Filters: filters})
	return func(what string, is func(events.Message) bool) {
		t.Helper()
		for {
			select {
			case m := <-heard.Messages:
				if is(m) {
					return
				}
			case err := <-heard.Err:
				t.Fatalf("waiting until %s: %v", what, err)
			}
		}
	}
}

// reaped is the removal of a session's reaper, its last deed.
func (r *reaping) reaped(t *testing.T, reaper, label string) (wait func()) {
	t.Helper()
	next := r.listen(t, make(client.Filters).Add("type", "container").Add("event", "destroy"))
	return func() {
		t.Helper()
		next(reaper+" is gone", func(m events.Message) bool { return m.Actor.Attributes["name"] == reaper })
		r.has(t, label, none)
	}
}

func (r *reaping) ends(t *testing.T) {
	gone := r.reaped(t, "reaper_ends", sessionLabel+"ends")
	s := r.begin(t, "ends", "TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED=true")
	s.ready(t)
	r.has(t, sessionLabel+"ends", all)
	is, err := r.api.ContainerInspect(t.Context(), "reaper_ends", client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if h := is.Container.HostConfig; !h.Privileged || !h.AutoRemove || len(h.Binds) != 1 {
		t.Errorf("the reaper is not as it was asked for: %+v", h)
	}
	s.end(t)
	gone()
}

// killed is half way: when the engine tells of what the library may not know yet.
func (r *reaping) killed(t *testing.T) {
	for name, filters := range map[string]client.Filters{
		"network":   make(client.Filters).Add("type", "network").Add("event", "create"),
		"volume":    make(client.Filters).Add("type", "volume").Add("event", "create"),
		"container": make(client.Filters).Add("type", "container").Add("event", "create").Add("image", "busybox"),
		"process":   make(client.Filters).Add("type", "container").Add("event", "start").Add("image", "busybox"),
		"image":     make(client.Filters).Add("type", "image").Add("event", "tag"),
	} {
		t.Run(name, func(t *testing.T) {
			gone := r.reaped(t, "reaper_killed", sessionLabel+"killed")
			next := r.listen(t, filters)
			s := r.begin(t, "killed")
			next("there is a "+name, func(events.Message) bool { return true })
			s.kill(t)
			gone()
		})
	}
}

// beside is two sessions at a time, and somebody who has no reaper.
func (r *reaping) beside(t *testing.T) {
	stranger, err := r.api.VolumeCreate(t.Context(), client.VolumeCreateOptions{Name: "stranger", Labels: map[string]string{"org.testcontainers": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	goneOne, goneTwo := r.reaped(t, "reaper_one", sessionLabel+"one"), r.reaped(t, "reaper_two", sessionLabel+"two")
	one, two := r.begin(t, "one"), r.begin(t, "two")
	one.ready(t)
	two.ready(t)
	r.has(t, sessionLabel+"one", all)
	one.end(t)
	goneOne()
	r.has(t, sessionLabel+"two", all)
	two.kill(t)
	goneTwo()
	if _, err := r.api.VolumeRemove(t.Context(), stranger.Volume.Name, client.VolumeRemoveOptions{}); err != nil {
		t.Errorf("the volume of nobody's session: %v", err)
	}
	if _, err := r.api.ImageInspect(t.Context(), "busybox"); err != nil {
		t.Errorf("the image that a session's is made from: %v", err)
	}
}

// inside is where the session is in a container itself, which has the socket: it makes its
// containers beside it, and reaches their ports at the gateway of the network bridge.
func (r *reaping) inside(t *testing.T) {
	if _, err := r.api.NetworkCreate(t.Context(), "other", client.NetworkCreateOptions{}); err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(r.e.DockerHost(), "unix://")
	usual := []string{"-v", socket + ":/var/run/docker.sock"}
	if _, err := os.Lstat("/var/run/docker.sock"); err == nil { // of another engine, which the reaper would ask
		usual = append(usual, "-e", "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE="+socket)
	}
	for name, args := range map[string][]string{
		"where dockerd's is": usual,
		"where it is":        {"-v", socket + ":" + socket, "-e", "DOCKER_HOST=unix://" + socket},
		"other network":      append(usual, "--network", "other"),
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, " ", "-")
			id = strings.ReplaceAll(id, "'", "")
			gone := r.reaped(t, "reaper_"+id, sessionLabel+id)
			args := append([]string{"run", "--rm"}, args...)
			for _, v := range r.environ(id) {
				args = append(args, "-e", v)
			}
			docker := exec.CommandContext(t.Context(), harness.Docker(t), append(args, sessionImage)...)
			docker.Env = append(os.Environ(), "DOCKER_HOST="+r.e.DockerHost())
			out, err := docker.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			bridge, err := r.api.NetworkInspect(t.Context(), "bridge", client.NetworkInspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if at := fmt.Sprintf("at http://%s:", bridge.Network.IPAM.Config[0].Gateway); !strings.Contains(string(out), at) {
				t.Errorf("the port is not %s\n%s", at, out)
			}
			gone()
		})
	}
	t.Run("service", func(t *testing.T) {
		gone := r.reaped(t, "reaper_service", sessionLabel+"service")
		r.e.Write(t, "service/compose.yaml", fmt.Sprintf("name: service\nservices:\n  tests: {image: %s, pull_policy: never, use_api_socket: true, environment: [%s]}\n",
			sessionImage, strings.Join(r.environ("service"), ", ")))
		r.e.OK(t, "--project-directory", "service", "run", "--rm", "-T", "tests")
		gone()
		r.e.OK(t, "--project-directory", "service", "down")
	})
	if _, err := r.api.NetworkRemove(t.Context(), "other", client.NetworkRemoveOptions{}); err != nil {
		t.Error(err)
	}
}
