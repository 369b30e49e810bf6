package image

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/semaphore"

	"tiffin/engine"
	"tiffin/engine/image/registry"
)

// uploads is how many blobs of one image go at once, as with docker.
const uploads = 5

// Push sends the image that ref names to its registry: all that is here of it for other platforms too, if nothing of
// that is missing. What the registry has it is not sent again.
//
// Errors: engine.ErrNotFound, ErrDenied, ErrUnavailable, ErrInvalid; with hints.
func (s *Store) Push(ctx context.Context, ref string, auth registry.Auth, report engine.Report) error {
	return s.PushFor(ctx, ref, "", auth, report)
}

// PushFor is Push for one platform of several; "" is all.
func (s *Store) PushFor(ctx context.Context, ref, platform string, auth registry.Auth, report engine.Report) error {
	named, err := parseName(ref)
	if err != nil {
		return err
	}
	if _, digested := named.(reference.Digested); digested {
		return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("push %q: it is named by its digest", ref)),
			"name it with a tag: registries make the digests themselves")
	}
	if report == nil {
		report = func(engine.Progress) {}
	}
	line := "Image " + ref
	report(engine.Progress{ID: line, Status: engine.Working, Text: textPushing})
	p := &push{store: s, ref: ref, named: named, platform: platform, line: line, report: report, lines: map[digest.Digest]*sentLine{}}
	if err := p.run(within(ctx), auth); err != nil {
		report(engine.Progress{ID: line, Status: engine.Failed, Text: "Error", Details: err.Error()})
		return err
	}
	report(engine.Progress{ID: line, Status: engine.Done, Text: textPushed})
	return nil
}

// push is one image on its way to a registry.
type push struct {
	store *Store
	ref   string // as the user wrote it
	named reference.Named
	// platform is the one to send; "": all.
	platform string
	line     string // of progress
	report   engine.Report

	mu    sync.Mutex
	lines map[digest.Digest]*sentLine // of layers
}

// sentLine is what is told about a layer, and whether it had to be sent.
type sentLine struct {
	layerLine

	sent atomic.Bool
}

func (p *push) run(ctx context.Context, auth registry.Auth) error {
	m, err := p.store.find(ctx, p.named.String(), "")
	if err != nil {
		return engine.Hint(err, "build or pull it first")
	}
	target, err := p.store.savedFor(ctx, m, p.platform)
	if err != nil {
		return err
	}
	// Whoever removes the image meanwhile does not take its blobs from under us.
	held, ctx, err := p.store.lease(ctx)
	if err != nil {
		return err
	}
	defer p.store.drop(context.WithoutCancel(ctx), held) //nolint:errcheck // it ends by itself
	err = p.store.hold(ctx, leases.Resource{ID: target.Digest.String(), Type: heldContent})
	if err == nil {
		err = p.send(ctx, target, auth)
	}
	if err == nil || kindOf(err) != nil {
		return err
	}
	return registry.Push.Explain(p.ref, reference.Domain(p.named), err)
}

func (p *push) send(ctx context.Context, target ocispec.Descriptor, auth registry.Auth) error {
	// The documents are pushed by digest but for the last, which gets the tag.
	to, err := p.store.registry.Pusher(auth).Pusher(ctx, p.named.String()+"@"+target.Digest.String())
	if err != nil {
		return err
	}
	return remotes.PushContent(ctx, to, bare(target), p, semaphore.NewWeighted(uploads), platforms.All, p.told)
}

// told makes the handler of what is to be sent tell of each layer.
func (p *push) told(next images.Handler) images.Handler {
	return images.HandlerFunc(func(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		if !images.IsLayerType(d.MediaType) {
			return next.Handle(ctx, d)
		}
		l := p.lineOf(d)
		l.say("Preparing")
		children, err := next.Handle(ctx, d)
		switch {
		case err != nil && !errors.Is(err, images.ErrStopHandler) && !errors.Is(err, images.ErrSkipDesc):
		case l.sent.Load():
			l.say(textPushed)
		default:
			l.say(textThere)
		}
		return children, err
	})
}

func (p *push) lineOf(d ocispec.Descriptor) *sentLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.lines[d.Digest]
	if !ok {
		l = &sentLine{layerLine: layerLine{report: p.report, id: engine.ShortID(d.Digest.Encoded()), parent: p.line, total: d.Size}}
		p.lines[d.Digest] = l
	}
	return l
}

// ReaderAt implements content.Provider: a blob is opened when the registry does not have it, and its line shows how
// far it was read.
func (p *push) ReaderAt(ctx context.Context, d ocispec.Descriptor) (content.ReaderAt, error) {
	r, err := p.store.content.ReaderAt(ctx, d)
	if err != nil || !images.IsLayerType(d.MediaType) {
		return r, err
	}
	l := p.lineOf(d)
	l.sent.Store(true)
	return &sentReader{ReaderAt: r, line: l}, nil
}

type sentReader struct {
	content.ReaderAt

	line *sentLine
}

// ReadAt implements io.ReaderAt.
func (r *sentReader) ReadAt(b []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(b, off)
	r.line.bytes(textPushing, off+int64(n))
	return n, err
}
