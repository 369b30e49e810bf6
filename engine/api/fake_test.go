package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/plan"
	"tiffin/engine/socket"
)

// fake is an engine that says what it was asked, and answers as it was told.
type fake struct {
	// Backend is nil: a call that a test did not expect panics.
	Backend
	// got is the request of the last call, as its arguments.
	got []any
	// err is the answer of all calls, after their progress.
	err error
	// tells are the progress of all calls.
	tells []engine.Progress

	up     func(context.Context, engine.Report) error
	wait   func(context.Context) (int, error)
	exec   func(context.Context, call.Streams) (int, error)
	logs   func(context.Context, func(call.LogEntry) error) error
	events func(context.Context, func(), func(engine.Event) error) error
	load   func(io.Reader, engine.Report) ([]string, error)
	save   func(io.Writer) error
	build  func(context.Context, net.Conn) error
}

func (f *fake) call(report engine.Report, args ...any) error {
	f.got = args
	for _, p := range f.tells {
		report(p)
	}
	return f.err
}

func (f *fake) Up(ctx context.Context, req *call.UpRequest, report engine.Report) error {
	if f.up != nil {
		return f.up(ctx, report)
	}
	return f.call(report, *req)
}

func (f *fake) Down(_ context.Context, req *call.DownRequest, report engine.Report) error {
	return f.call(report, *req)
}

func (f *fake) Act(_ context.Context, req *call.ActRequest, report engine.Report) error {
	return f.call(report, *req)
}

func (f *fake) Pull(_ context.Context, req *call.PullRequest, report engine.Report) error {
	return f.call(report, *req)
}

func (f *fake) Run(_ context.Context, req *call.RunRequest, report engine.Report) (string, error) {
	return "c0ffee", f.call(report, *req)
}

func (f *fake) Projects(context.Context) ([]call.ProjectSummary, error) {
	return []call.ProjectSummary{{Name: "demo", Status: map[engine.Status]int{engine.StatusRunning: 2}}}, f.call(nil)
}

func (f *fake) Stack(_ context.Context, project string) (*engine.Stack, error) {
	return &engine.Stack{Name: "demo"}, f.call(nil, project)
}

var aPlan = plan.Plan{Steps: []plan.Step{{Seq: 1, Kind: plan.StartContainer, Name: "demo-web-1"}}}

func (f *fake) PlanUp(_ context.Context, req *call.UpRequest) (*plan.Plan, error) {
	return &aPlan, f.call(nil, *req)
}

func (f *fake) PlanDown(_ context.Context, req *call.DownRequest) (*plan.Plan, error) {
	return &aPlan, f.call(nil, *req)
}

func (f *fake) PlanAct(_ context.Context, req *call.ActRequest) (*plan.Plan, error) {
	return &aPlan, f.call(nil, *req)
}

func (f *fake) PlanBuilds(_ context.Context, req *call.UpRequest) (*plan.Plan, error) {
	return &aPlan, f.call(nil, *req)
}

func (f *fake) List(_ context.Context, req *call.ListRequest) ([]engine.Container, error) {
	return []engine.Container{{ID: "c0ffee", Name: "demo-web-1"}}, f.call(nil, *req)
}

func (f *fake) Wait(ctx context.Context, id string) (int, error) {
	if f.wait != nil {
		return f.wait(ctx)
	}
	return 3, f.call(nil, id)
}

func (f *fake) Kill(_ context.Context, id, signal string) error { return f.call(nil, id, signal) }

func (f *fake) Remove(_ context.Context, id string, opts call.RemoveOptions) error {
	return f.call(nil, id, opts)
}

func (f *fake) Top(_ context.Context, id string, args []string) (*call.Top, error) {
	return &call.Top{Titles: []string{"PID"}, Processes: [][]string{{"1"}}}, f.call(nil, id, args)
}

func (f *fake) Stats(_ context.Context, req *call.StatsRequest) ([]call.Stats, error) {
	return []call.Stats{{ID: "c0ffee", Running: true, CPU: call.CPUStats{Total: 7}}}, f.call(nil, *req)
}

func (f *fake) Exec(ctx context.Context, id string, req *call.ExecRequest, s call.Streams) (int, error) {
	if f.exec != nil {
		return f.exec(ctx, s)
	}
	return 4, f.call(nil, id, *req)
}

func (f *fake) Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error) {
	if f.exec != nil {
		return f.exec(ctx, s)
	}
	return 5, f.call(nil, *req)
}

func (f *fake) Logs(ctx context.Context, req *call.LogRequest, emit func(call.LogEntry) error) error {
	if f.logs != nil {
		return f.logs(ctx, emit)
	}
	return f.call(nil, *req)
}

func (f *fake) Images(context.Context) ([]engine.Image, error) {
	return []engine.Image{{ID: "sha256:1"}}, f.call(nil)
}

func (f *fake) Image(_ context.Context, ref string) (engine.Image, error) {
	return engine.Image{ID: "sha256:1"}, f.call(nil, ref)
}

func (f *fake) PullImage(_ context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) (engine.Image, error) {
	return engine.Image{ID: "sha256:1"}, f.call(report, ref, platform, auths)
}

func (f *fake) PushImage(_ context.Context, ref string, auths map[string]call.RegistryAuth, report engine.Report) error {
	return f.call(report, ref, auths)
}

func (f *fake) Commit(_ context.Context, req *call.CommitRequest) (engine.Image, error) {
	return engine.Image{ID: "sha256:1"}, f.call(nil, *req)
}

func (f *fake) TagImage(_ context.Context, ref, name string) error { return f.call(nil, ref, name) }

func (f *fake) RemoveImage(_ context.Context, ref string, force call.ForceRemove) ([]string, error) {
	return []string{"Untagged: nginx"}, f.call(nil, ref, force)
}

func (f *fake) ChangeFiles(_ context.Context, id string, changes io.Reader) error {
	b, err := io.ReadAll(changes)
	return errors.Join(err, f.call(nil, id, string(b)))
}

func (f *fake) LoadImages(_ context.Context, archive io.Reader, report engine.Report) ([]string, error) {
	if f.load != nil {
		return f.load(archive, report)
	}
	text, err := io.ReadAll(archive)
	if err != nil {
		return nil, err
	}
	return []string{"nginx"}, f.call(report, string(text))
}

func (f *fake) SaveImages(_ context.Context, refs []string, archive io.Writer) error {
	if f.save != nil {
		return f.save(archive)
	}
	if _, err := io.WriteString(archive, "tar"); err != nil {
		return err
	}
	return f.call(nil, refs)
}

func (f *fake) ImportImage(_ context.Context, rootfs io.Reader, name string, config engine.ImageConfig) (engine.Image, error) {
	text, err := io.ReadAll(rootfs)
	if err != nil {
		return engine.Image{}, err
	}
	return engine.Image{ID: "sha256:1"}, f.call(nil, string(text), name, config)
}

func (f *fake) StatFile(_ context.Context, req *call.FileRequest) (call.FileStat, error) {
	return call.FileStat{Path: "/etc"}, f.call(nil, *req)
}

func (f *fake) ReadFiles(_ context.Context, req *call.FileRequest, archive io.Writer) error {
	_, err := io.WriteString(archive, "tar")
	return errors.Join(err, f.call(nil, *req))
}

func (f *fake) WriteFiles(_ context.Context, req *call.WriteRequest, archive io.Reader) error {
	text, err := io.ReadAll(archive)
	return errors.Join(err, f.call(nil, *req, string(text)))
}

func (f *fake) Export(_ context.Context, id string, archive io.Writer) error {
	_, err := io.WriteString(archive, "tar")
	return errors.Join(err, f.call(nil, id))
}

func (f *fake) Volumes(context.Context) ([]engine.Volume, error) {
	return []engine.Volume{{Name: "demo_data"}}, f.call(nil)
}

var aNetwork = engine.Network{ID: "c0ffee", Spec: engine.NetworkSpec{Name: "lan", Driver: "macvlan"}}

var aSecret = engine.Secret{ID: "c0ffee", Name: "token", Labels: map[string]string{"a": "b"}}

func (f *fake) Secrets(context.Context) ([]engine.Secret, error) {
	return []engine.Secret{aSecret}, f.call(nil)
}

func (f *fake) CreateSecret(_ context.Context, req *call.SecretRequest) (engine.Secret, error) {
	return aSecret, f.call(nil, *req)
}

func (f *fake) RemoveSecret(_ context.Context, ref string) error { return f.call(nil, ref) }

func (f *fake) Networks(context.Context) ([]engine.Network, error) {
	return []engine.Network{aNetwork}, f.call(nil)
}

func (f *fake) CreateNetwork(_ context.Context, spec *engine.NetworkSpec) (engine.Network, error) {
	return aNetwork, f.call(nil, *spec)
}

func (f *fake) RemoveNetwork(_ context.Context, ref string) error { return f.call(nil, ref) }

func (f *fake) ConnectNetwork(_ context.Context, network, container string, how *engine.EndpointSpec) error {
	return f.call(nil, network, container, *how)
}

func (f *fake) DisconnectNetwork(_ context.Context, network, container string, force call.ForceRemove) error {
	return f.call(nil, network, container, force)
}

func (f *fake) Build(ctx context.Context, conn net.Conn) error { return f.build(ctx, conn) }

func (f *fake) Info(context.Context) (call.Info, error) {
	return call.Info{Version: "1", Pid: 7}, f.call(nil)
}

func (f *fake) Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error {
	if f.events != nil {
		return f.events(ctx, subscribed, emit)
	}
	subscribed()
	if err := emit(engine.Event{Type: engine.EventContainer, Action: "start", ID: "c0ffee"}); err != nil {
		return err
	}
	return f.call(nil, since, until)
}

func (f *fake) Shutdown(context.Context) error { return f.call(nil) }

// rig is a server on a socket of its own, and a client of it.
type rig struct {
	*Client
	t      *testing.T
	socket string
	// stop ends the server as the end of the engine does; done is its result.
	stop context.CancelFunc
	done chan error
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "api") //nolint:usetesting // paths of t.TempDir are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

const grace = 200 * time.Millisecond

func serve(t *testing.T, b Backend) *rig {
	t.Helper()
	return serveTo(t, b, nil)
}

// serveTo serves who is admitted.
func serveTo(t *testing.T, b Backend, admit func(net.Conn) error) *rig {
	t.Helper()
	path := socketPath(t)
	l, err := socket.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{Client: NewClient(path), t: t, socket: path, stop: cancel, done: make(chan error, 1)}
	s := NewServer(b, nil, slog.New(slog.DiscardHandler))
	s.Admit = admit
	go func() { r.done <- s.Serve(ctx, grace, l) }()
	t.Cleanup(func() {
		cancel()
		r.done <- r.ended()
	})
	return r
}

// ended waits for the end of the server.
func (r *rig) ended() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(10 * time.Second):
		r.t.Fatal("the server does not end")
		return nil
	}
}

// within fails the test when something does not happen soon.
func within(t *testing.T, what string, happens <-chan struct{}) {
	t.Helper()
	select {
	case <-happens:
	case <-time.After(10 * time.Second):
		t.Fatalf("it does not happen: %s", what)
	}
}

// rawServer answers every connection with what talk does.
func rawServer(t *testing.T, talk func(net.Conn)) *Client {
	t.Helper()
	l, err := socket.Listen(socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			talk(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return NewClient(l.Addr().String())
}
