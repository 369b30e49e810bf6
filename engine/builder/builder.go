package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/image"
)

// Runner runs a step of a build to its end and returns its exit code; started is called
// once its command has been executed.
type Runner func(ctx context.Context, job *engine.Job, s engine.Streams, started func()) (int, error)

// Config is what a Builder is made of.
type Config struct {
	// Root is the folder of the cache's records; what they are about is in the image store.
	Root string
	// Scratch is a private folder for what does not outlive the engine. BuildKit asks
	// os.TempDir where to mount and to write: TMPDIR of the process should lead here.
	Scratch string
	Images  *image.Store
	Run     Runner
	// Idle is called after the last caller has gone and everything is closed; it may be nil.
	Idle func(context.Context)
	// Entitlements are what steps may be granted when the caller grants it, too: network.host, security.insecure.
	Entitlements []string
	// CacheSize is how many bytes of cache are kept that no image has; 0: as much as the disk allows.
	CacheSize engine.Bytes
	// Linger is how long everything stays open for the next build; 0: 15 s.
	Linger time.Duration
	Log    *slog.Logger
}

const defaultLinger = 15 * time.Second

// Builder is where an engine builds. Its methods may be called by many at once.
type Builder struct {
	cfg Config

	mu      sync.Mutex
	open    *solver // nil: nobody builds
	callers int
	closing *time.Timer
	closed  bool
}

// New makes a Builder. What an earlier engine left in Scratch is removed.
func New(cfg Config) (*Builder, error) {
	if cfg.Linger == 0 {
		cfg.Linger = defaultLinger
	}
	if err := prepareScratch(cfg.Scratch); err != nil {
		return nil, fmt.Errorf("prepare builds: %w", err)
	}
	return &Builder{cfg: cfg}, nil
}

var errClosed = engine.Problem(engine.ErrUnavailable, errors.New("the engine is shutting down"))

// acquire returns the solver, which stays open until release.
func (b *Builder) acquire(ctx context.Context) (*solver, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	if b.closing != nil {
		b.closing.Stop()
		b.closing = nil
	}
	if b.open == nil {
		s, err := openSolver(ctx, &b.cfg)
		if err != nil {
			return nil, fmt.Errorf("open the build cache: %w", err)
		}
		b.open = s
	}
	b.callers++
	return b.open, nil
}

func (b *Builder) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.callers--; b.callers > 0 || b.closed {
		return
	}
	b.closing = time.AfterFunc(b.cfg.Linger, b.lapse)
}

// lapse closes everything if nobody has come meanwhile.
func (b *Builder) lapse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.callers > 0 || b.closed || b.open == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	b.shut(ctx)
}

// closeTimeout bounds how long the cache is tidied up at the end.
const closeTimeout = 5 * time.Minute

// shut closes the solver; the caller holds mu.
func (b *Builder) shut(ctx context.Context) {
	if err := b.open.close(ctx); err != nil {
		b.cfg.Log.Warn("build cache not closed as it should be", "err", err)
	}
	b.open, b.closing = nil, nil
	if b.cfg.Idle != nil {
		b.cfg.Idle(ctx)
	}
	// It may not be needed again for days.
	if err := giveBack(); err != nil {
		b.cfg.Log.Warn("memory of builds not given back", "err", err)
	}
}

// Close ends what is being built. Nothing may be served any more.
func (b *Builder) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.closing != nil {
		b.closing.Stop()
	}
	if b.open == nil {
		return nil
	}
	err := b.open.closeNow()
	b.open = nil
	return err
}
