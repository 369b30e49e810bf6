package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image"
)

// Runner runs a step of a build to its end and returns its exit code; started is called
// once its command has been executed.
type Runner func(ctx context.Context, job *engine.Job, s call.Streams, started func()) (int, error)

// Config is what a Builder is made of.
type Config struct {
	// Root is the folder of the cache's records; what they are about is in the image store.
	Root string
	// Scratch is a private folder for what does not outlive the engine. BuildKit asks
	// os.TempDir where to mount and to write: TMPDIR of the process should lead here.
	Scratch string
	Images  *image.Store
	Run     Runner
	// Built, if set, is told of each image that was built, and the names that it got.
	Built func(img *engine.Image, names []string)
	// Idle is called when everything was closed because nobody builds any more; it may be nil.
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
//
//	closed ──first caller──▶ open ──last caller gone──▶ lingering ──▶ tidying ──▶ closed
//	                          ▲                            │            │
//	                          └────────another caller──────┴────────────┘
type Builder struct {
	cfg Config

	mu      sync.Mutex
	open    *solver // nil: nobody builds
	callers int
	// came counts callers, so that who tidies up sees whether another one has come meanwhile.
	came    uint64
	closing *time.Timer
	closed  bool

	life    context.Context //nolint:containedctx // the life of what tidies up is that of the builder
	end     context.CancelFunc
	tidying sync.WaitGroup
}

// New makes a Builder. What an earlier engine left in Scratch is removed.
func New(cfg Config) (*Builder, error) {
	if cfg.Linger == 0 {
		cfg.Linger = defaultLinger
	}
	if err := prepareScratch(cfg.Scratch); err != nil {
		return nil, fmt.Errorf("prepare builds: %w", err)
	}
	b := &Builder{cfg: cfg}
	b.life, b.end = context.WithCancel(context.Background())
	return b, nil
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
	b.came++
	return b.open, nil
}

func (b *Builder) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.callers--; b.callers > 0 || b.closed {
		return
	}
	b.closing = time.AfterFunc(b.cfg.Linger, b.lapse)
	if s := b.open; s.failed.Load() {
		b.tidying.Go(func() {
			if err := s.reclaim(b.life); err != nil {
				b.cfg.Log.Warn("what a failed build left is still there", "err", err)
			}
		})
	}
}

// lapse tidies up, and closes everything if nobody has come meanwhile: a build that
// begins does not wait for it.
func (b *Builder) lapse() {
	b.mu.Lock()
	s, came := b.open, b.came
	if b.callers > 0 || b.closed || s == nil {
		b.mu.Unlock()
		return
	}
	b.tidying.Add(1)
	defer b.tidying.Done()
	b.mu.Unlock()

	ctx, cancel := context.WithTimeout(b.life, tidyTimeout)
	defer cancel()
	err := s.tidy(ctx)

	b.mu.Lock()
	defer b.mu.Unlock()
	if b.came != came || b.closed {
		return
	}
	if err = errors.Join(err, b.shut(ctx)); err != nil {
		b.cfg.Log.Warn("builds were not closed as they should be", "err", err)
	}
}

const (
	// tidyTimeout bounds what is done for the cache when nobody builds any more, endTimeout what is done when the
	// engine ends.
	tidyTimeout = 5 * time.Minute
	endTimeout  = 10 * time.Second
)

// shut closes the solver; the caller holds mu.
func (b *Builder) shut(ctx context.Context) error {
	err := b.open.close(ctx)
	b.open, b.closing = nil, nil
	if b.cfg.Idle != nil {
		b.cfg.Idle(ctx)
	}
	// It may not be needed again for days.
	return errors.Join(err, giveBack())
}

// Close ends what is being built. Nothing may be served any more.
func (b *Builder) Close() error {
	b.mu.Lock()
	b.closed = true
	if b.closing != nil {
		b.closing.Stop()
	}
	b.mu.Unlock()
	b.end()
	b.tidying.Wait()

	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	err := b.open.close(ctx)
	b.open = nil
	return err
}
