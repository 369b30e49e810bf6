package client

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"tiffin/engine"
)

// fakeEngine answers as BuildKit does, and builds nothing.
type fakeEngine struct {
	controlapi.UnimplementedControlServer
	// solve is asked with the target stage of a build.
	solve func(ctx context.Context, stage string) error

	mu    sync.Mutex
	ended map[string]chan struct{} // by the reference of a build
	order []string                 // what began and ended: +a -a
	attrs map[string]map[string]string
}

func (f *fakeEngine) end(ref string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended[ref] == nil {
		f.ended[ref] = make(chan struct{})
	}
	return f.ended[ref]
}

func (f *fakeEngine) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order = append(f.order, what)
}

func (f *fakeEngine) Solve(ctx context.Context, r *controlapi.SolveRequest) (*controlapi.SolveResponse, error) {
	defer close(f.end(r.Ref))
	stage := r.FrontendAttrs["target"]
	f.mu.Lock()
	f.attrs[stage] = r.FrontendAttrs
	f.mu.Unlock()
	f.note("+" + stage)
	defer f.note("-" + stage)
	if err := f.solve(ctx, stage); err != nil {
		return nil, err
	}
	return &controlapi.SolveResponse{ExporterResponse: map[string]string{
		"containerimage.digest": "sha256:manifest-" + stage, "containerimage.config.digest": "sha256:config-" + stage,
	}}, nil
}

func (f *fakeEngine) Status(r *controlapi.StatusRequest, s grpc.ServerStreamingServer[controlapi.StatusResponse]) error {
	select {
	case <-f.end(r.Ref):
	case <-s.Context().Done():
	}
	return nil
}

func (f *fakeEngine) Session(s grpc.BidiStreamingServer[controlapi.BytesMessage, controlapi.BytesMessage]) error {
	for {
		if _, err := s.Recv(); err != nil {
			return nil //nolint:nilerr // the caller has left
		}
	}
}

// dial serves one connection.
func (f *fakeEngine) dial(t *testing.T) Dial {
	t.Helper()
	f.ended, f.attrs = map[string]chan struct{}{}, map[string]map[string]string{}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor))
	controlapi.RegisterControlServer(server, f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", l.Addr().String())
	}
}

func fine(context.Context, string) error { return nil }

// staged is a target whose stage is its name.
func staged(t *testing.T, name string, change ...func(*engine.Build)) Target {
	t.Helper()
	return target(name, name, append([]func(*engine.Build){stage(name), func(b *engine.Build) {
		b.Context, b.DockerfileInline = t.TempDir(), "FROM scratch AS "+name
	}}, change...)...)
}

func TestEachTargetGetsTheImageOfItsBuild(t *testing.T) {
	t.Parallel()
	f := &fakeEngine{solve: fine}
	a := staged(t, "a")
	same := a
	same.Name = "same"
	results, err := Run(t.Context(), f.dial(t), Options{Targets: []Target{same, staged(t, "b"), a}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{"same", "a", "sha256:config-a", "sha256:manifest-a"},
		{"b", "b", "sha256:config-b", "sha256:manifest-b"},
		{"a", "a", "sha256:config-a", "sha256:manifest-a"},
	}
	if !slices.Equal(results, want) {
		t.Errorf("got %v", results)
	}
	if len(f.order) != 4 {
		t.Errorf("one build of two services was made more than once: %v", f.order)
	}
}

func TestBuildsRunSideBySideUnlessOneNeedsTheOther(t *testing.T) {
	t.Parallel()
	both := make(chan struct{}, 2)
	met := make(chan struct{})
	var once sync.Once
	f := &fakeEngine{solve: func(ctx context.Context, stage string) error {
		if stage == "last" {
			return nil
		}
		if both <- struct{}{}; len(both) == 2 {
			once.Do(func() { close(met) })
		}
		select {
		case <-met:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	targets := []Target{staged(t, "last", takes("a", "b")), staged(t, "a"), staged(t, "b")}
	if _, err := Run(t.Context(), f.dial(t), Options{Targets: targets}); err != nil {
		t.Fatal(err)
	}
	if begun := slices.Index(f.order, "+last"); begun != 4 {
		t.Errorf("the one that takes images of others began at %d: %v", begun, f.order)
	}
	if got := f.attrs["last"]["context:a"]; got != "docker-image://docker.io/library/a:latest" {
		t.Errorf("it was told of %q", got)
	}
}

func TestTheFirstFailureEndsTheOthers(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	f := &fakeEngine{solve: func(ctx context.Context, stage string) error {
		if stage == "slow" {
			close(running)
			<-ctx.Done()
			return ctx.Err()
		}
		<-running
		return grpcerrors.WrapCode(errors.New("secret token: not found"), codes.NotFound)
	}}
	_, err := Run(t.Context(), f.dial(t), Options{Targets: []Target{staged(t, "slow"), staged(t, "bad"), staged(t, "never", takes("slow"))}})
	if err == nil || err.Error() != "build bad: the secret token is asked for, and not given" {
		t.Errorf("got %v", err)
	}
	if slices.Contains(f.order, "+never") {
		t.Errorf("what waited began all the same: %v", f.order)
	}
}

func TestAnInterruptedBuildReturnsWhy(t *testing.T) {
	t.Parallel()
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &fakeEngine{solve: func(ctx context.Context, _ string) error {
		cancel(why)
		<-ctx.Done()
		return ctx.Err()
	}}
	begin := time.Now()
	_, err := Run(ctx, f.dial(t), Options{Targets: []Target{staged(t, "a")}})
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 4*time.Second {
		t.Errorf("it took %s", d)
	}
}

func TestBuildsThatReadOneFolderShareItsSession(t *testing.T) {
	t.Parallel()
	f := &fakeEngine{solve: fine}
	a, b, other := staged(t, "a"), staged(t, "b"), staged(t, "other")
	b.Build.Context = a.Build.Context
	if _, err := Run(t.Context(), f.dial(t), Options{Targets: []Target{a, b, other}}); err != nil {
		t.Fatal(err)
	}
	const key = "local-sessionid:context"
	if f.attrs["a"][key] == "" || f.attrs["a"][key] != f.attrs["b"][key] || f.attrs["a"][key] == f.attrs["other"][key] {
		t.Errorf("sessions: %q, %q, %q", f.attrs["a"][key], f.attrs["b"][key], f.attrs["other"][key])
	}
}

func TestAnEngineThatCannotBeReached(t *testing.T) {
	t.Parallel()
	gone := engine.Problem(engine.ErrUnavailable, errors.New("no engine listens"))
	_, err := Run(t.Context(), func(context.Context) (net.Conn, error) { return nil, gone }, Options{Targets: []Target{staged(t, "a")}})
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestAnEngineThatDiesIsTold(t *testing.T) {
	t.Parallel()
	var conn net.Conn
	f := &fakeEngine{}
	f.solve = func(ctx context.Context, _ string) error {
		_ = conn.Close() // as the kernel does for one that was killed
		<-ctx.Done()
		return ctx.Err()
	}
	dial := f.dial(t)
	_, err := Run(t.Context(), func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		conn = c
		return c, err
	}, Options{Targets: []Target{staged(t, "a")}})
	if err == nil || !errors.Is(err, engine.ErrUnavailable) || strings.Contains(err.Error(), "rpc") {
		t.Errorf("got %v", err)
	}
}
