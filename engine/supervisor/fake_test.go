package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/healthcheck"
)

// bench is a container on a host that is none: it writes down what happens, and when.
type bench struct {
	t     *testing.T
	super *Supervisor
	began time.Time
	end   context.CancelFunc // of the engine
	ended chan struct{}      // closed when Run has returned

	mu    sync.Mutex // over all that follows, and over processes
	trace []string
	state engine.State
	// process is the last one that was made, or the adopted one.
	process *process

	// What the host does. nil: it succeeds at once.
	onStart func(ctx context.Context) error
	onProbe func(ctx context.Context) healthcheck.Result
	// onSignal is what processes do about signals. nil: they end by it at once.
	onSignal func(p *process, sig unix.Signal)
}

// run runs a test in a bubble of time. The container is a new one that ends by SIGTERM,
// with what change makes of it.
func run(t *testing.T, change func(*bench, *Config), test func(*bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, began: time.Now(), ended: make(chan struct{})}
		cfg := Config{Host: b, State: engine.State{Status: engine.StatusCreated}, StopSignal: unix.SIGTERM, StopTimeout: 10 * time.Second}
		if change != nil {
			change(b, &cfg)
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.end, b.state = cancel, cfg.State
		b.super = New(cfg)
		go func() {
			defer close(b.ended)
			b.super.Run(ctx)
		}()
		test(b)
		cancel()
		<-b.ended // and synctest finds goroutines that go on
	})
}

// now is the state that was published last.
func (b *bench) now() engine.State {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// last is the last process that was made, or the adopted one.
func (b *bench) last() *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.process
}

// set changes what the host, or a process, does.
func (b *bench) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trace = append(b.trace, fmt.Sprintf("%v ", time.Since(b.began))+fmt.Sprintf(format, args...))
}

// saw compares what happened since the last time.
func (b *bench) saw(want string) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := strings.Join(b.trace, "\n")
	if diff := cmp.Diff(strings.TrimSpace(strings.ReplaceAll(want, "\t", "")), got); diff != "" {
		b.t.Errorf("what happened: %s", diff)
	}
	b.trace = nil
}

// forget lets saw begin from here.
func (b *bench) forget() {
	synctest.Wait()
	b.set(func() { b.trace = nil })
}

// must does not expect an error.
func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) start() {
	b.t.Helper()
	b.must(b.super.Start(b.t.Context()))
}

func (b *bench) stop() {
	b.t.Helper()
	b.must(b.super.Stop(b.t.Context(), 10*time.Second))
}

// conflicts expects a refusal.
func (b *bench) conflicts(err error, text string) {
	b.t.Helper()
	if !errors.Is(err, engine.ErrConflict) || !strings.Contains(err.Error(), text) {
		b.t.Errorf("%v, want a conflict that says %q", err, text)
	}
}

// Start implements Host.
func (b *bench) Start(ctx context.Context) (Process, error) {
	b.mu.Lock()
	begin := b.onStart
	b.mu.Unlock()
	if begin != nil {
		if err := begin(ctx); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	pid := 100
	if b.process != nil {
		pid = b.process.pid + 1
	}
	b.process = &process{b: b, pid: pid, exit: make(chan Exit, 1)}
	return b.process, nil
}

// Ended implements Host.
func (b *bench) Ended(context.Context) { b.note("taken back") }

// Probe implements Host.
func (b *bench) Probe(ctx context.Context) healthcheck.Result { return b.onProbe(ctx) }

// Changed implements Host.
func (b *bench) Changed(state engine.State, events ...Event) {
	b.set(func() { b.state = state })
	words := []string{string(state.Status)}
	for _, e := range events {
		about := []string{e.Action}
		for _, k := range slices.Sorted(maps.Keys(e.Attributes)) {
			about = append(about, k+"="+e.Attributes[k])
		}
		words = append(words, strings.Join(about, " "))
	}
	b.note("%s", strings.Join(words, ", "))
}

type process struct {
	b      *bench
	pid    int
	exit   chan Exit
	frozen bool
	// pending are the signals that wait until it is thawed.
	pending []unix.Signal
	wait    error // what Wait says instead
	// Errors of what is done to it.
	signalErr, freezeErr, thawErr error
}

func (p *process) Pid() int { return p.pid }

func (p *process) Wait(ctx context.Context) (Exit, error) {
	if p.wait != nil {
		return Exit{}, p.wait
	}
	select {
	case exit := <-p.exit:
		return exit, nil
	case <-ctx.Done():
		return Exit{}, context.Cause(ctx)
	}
}

func (p *process) isFrozen() bool {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.frozen
}

// ends ends the process.
func (p *process) ends(code int) {
	select {
	case p.exit <- Exit{Code: code, At: time.Now()}:
	default: // it has
	}
}

func (p *process) Signal(sig unix.Signal) error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.take(sig)
}

func (p *process) take(sig unix.Signal) error {
	if p.signalErr != nil {
		return p.signalErr
	}
	switch {
	case p.frozen:
		p.pending = append(p.pending, sig)
	case p.b.onSignal != nil:
		p.b.onSignal(p, sig)
	default:
		p.ends(128 + int(sig))
	}
	return nil
}

func (p *process) Freeze(context.Context) error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	p.frozen = p.freezeErr == nil
	return p.freezeErr
}

func (p *process) Thaw(context.Context) error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.thawErr != nil {
		return p.thawErr
	}
	p.frozen = false
	for _, sig := range p.pending {
		if err := p.take(sig); err != nil {
			return err
		}
	}
	p.pending = nil
	return nil
}

// deaf is an onSignal of a process that only SIGKILL ends.
func deaf(p *process, sig unix.Signal) {
	if sig == unix.SIGKILL {
		p.ends(137)
	}
}

// undead is an onSignal of a process that nothing ends.
func undead(*process, unix.Signal) {}
