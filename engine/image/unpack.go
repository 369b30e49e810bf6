package image

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/metadata/boltutil"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/image/layer"
)

// tellHere tells the first line of each layer: new, or, from the base up, here already with blob and folder.
func (s *Store) tellHere(ctx context.Context, b *bundle, lines []*layerLine) error {
	here := true
	for i, d := range b.parts.Layers {
		_, err := s.content.Info(ctx, d.Digest)
		if err == nil && b.top == "" {
			_, err = s.snapshots.Stat(ctx, layerKey(b.variant.chains[i]))
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return err
		}
		if here = here && err == nil; here {
			lines[i].say(textHere)
		} else {
			lines[i].say(textFound)
		}
	}
	return nil
}

// atOnce is how many layers are unpacked at once, in the whole store: the work is the processor's and the
// disk's, and each has two threads.
func atOnce() int64 { return int64(max(2, runtime.GOMAXPROCS(0))) }

// unpackAll makes the folders of all layers: each as soon as its blob has come, and beside the others; they are
// stacked in order.
func (s *Store) unpackAll(ctx context.Context, b *bundle, lines []*layerLine, fetched []<-chan struct{}) error {
	if b.top != "" {
		return awaitAll(ctx, lines, fetched)
	}
	g, ctx := errgroup.WithContext(ctx)
	ready := make([]chan *folder, len(b.parts.Layers))
	for i := range b.parts.Layers {
		ready[i] = make(chan *folder, 1)
		g.Go(func() error {
			select {
			case <-fetched[i]:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			f, err := s.extract(ctx, b, i, lines[i])
			if err == nil {
				ready[i] <- f
			}
			return err
		})
	}
	g.Go(func() error {
		for i := range b.parts.Layers {
			select {
			case f := <-ready[i]:
				if err := s.stack(ctx, b, i, f); err != nil {
					return err
				}
				lines[i].say(textDone)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	err := g.Wait()
	for i := range ready {
		select {
		case f := <-ready[i]:
			err = errors.Join(err, s.abandon(ctx, f)) // unpacked, but one below it failed
		default:
		}
	}
	return err
}

// awaitAll waits for the blobs of an image whose root filesystem is here.
func awaitAll(ctx context.Context, lines []*layerLine, fetched []<-chan struct{}) error {
	for i, come := range fetched {
		select {
		case <-come:
			lines[i].say(textDone)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// findRootfs looks whether the root filesystem of an image is here already, unpacked by a pull or made by a build,
// and puts it under the context's lease. Containers may stand on it, so no other takes its place.
func (s *Store) findRootfs(ctx context.Context, b *bundle) error {
	config := b.parts.Config.Digest
	// The blob keeps the snapshot; looked at afterwards, it cannot go any more.
	if err := s.hold(ctx, leases.Resource{ID: config.String(), Type: heldContent}); err != nil {
		return err
	}
	top, err := s.rootfsOf(ctx, config)
	if errdefs.IsNotFound(err) {
		return nil
	}
	b.top = top
	return err
}

// What a lease holds.
const (
	heldContent  = "content"
	heldSnapshot = "snapshots/" + snapshotter
)

// hold puts things under the context's lease.
func (s *Store) hold(ctx context.Context, things ...leases.Resource) error {
	id, ok := leases.FromContext(ctx)
	if !ok {
		return errors.New("there is no lease")
	}
	return s.meta.Update(func(tx *bolt.Tx) error {
		ctx := boltutil.WithTransaction(ctx, tx)
		for _, r := range things {
			if err := s.leases.AddResource(ctx, lease{ID: id}, r); err != nil {
				return fmt.Errorf("lease %s: %w", r.ID, err)
			}
		}
		return nil
	})
}

// folder is an unpacked layer that is not part of a stack yet; nil stands for one that was there before. Its chain
// is locked until it is stacked or abandoned.
type folder struct {
	key     string
	chain   string
	dir     string
	implied []string
	unlock  func()
}

// extract unpacks the ith layer into a folder of its own, unless it is there.
func (s *Store) extract(ctx context.Context, b *bundle, i int, line *layerLine) (*folder, error) {
	chain := layerKey(b.variant.chains[i])
	unlock, err := s.chains.lock(ctx, chain)
	if err != nil {
		return nil, err
	}
	if err := s.touch(); err != nil {
		unlock()
		return nil, err
	}
	f := &folder{key: "unpack " + rand.Text() + " " + chain, chain: chain, unlock: unlock}
	var labels map[string]string
	if !b.again {
		// With the label, a folder that is there already is put under the lease.
		labels = map[string]string{snapshots.LabelSnapshotRef: chain}
	}
	_, err = s.snapshots.Prepare(ctx, f.key, "", snapshots.WithLabels(labels))
	if err != nil {
		unlock()
		if errdefs.IsAlreadyExists(err) {
			return nil, nil //nolint:nilnil // see folder
		}
		return nil, fmt.Errorf("prepare the layer %s: %w", chain, err)
	}
	if err := s.fill(ctx, b, i, f, line); err != nil {
		return nil, errors.Join(fmt.Errorf("layer %s: %w", b.parts.Layers[i].Digest, err), s.abandon(ctx, f))
	}
	return f, nil
}

// fill unpacks the ith blob, and checks that the image's config knows what came out.
func (s *Store) fill(ctx context.Context, b *bundle, i int, f *folder, line *layerLine) (err error) {
	if f.dir, err = s.layerDir(ctx, f.key); err != nil {
		return err
	}
	if err := s.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.slots.Release(1)
	d := b.parts.Layers[i]
	blob, err := s.content.ReaderAt(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }()
	line.say(textExtracting)
	r := &extracting{r: content.NewReader(blob), line: line}
	got, err := layer.Apply(ctx, layer.Source{Blob: r, Size: d.Size}, f.dir, s.limits)
	if err != nil {
		return err
	}
	if want := b.config.RootFS.DiffIDs[i]; got.DiffID != want {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("it holds %s, and the image's config promises %s", got.DiffID, want))
	}
	f.implied = got.Implied
	return s.labelPlain(ctx, d.Digest, got)
}

// stack puts the ith folder on those below it, which are stacked.
func (s *Store) stack(ctx context.Context, b *bundle, i int, f *folder) error {
	if f == nil {
		return nil
	}
	err := s.inherit(ctx, b.variant.chains[:i], f)
	if err == nil {
		parent := ""
		if i > 0 {
			parent = layerKey(b.variant.chains[i-1])
		}
		err = s.snapshots.Commit(ctx, f.chain, f.key, snapshots.WithParent(parent))
	}
	if errdefs.IsAlreadyExists(err) && b.again {
		return errors.Join(s.exchange(ctx, f), s.abandon(ctx, f))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("layer %s: %w", b.parts.Layers[i].Digest, err), s.abandon(ctx, f))
	}
	f.unlock()
	return nil
}

// exchange puts a folder in the place of the one that its layer has had, at one stroke: what stands on the layer
// stays, images as well as builds.
func (s *Store) exchange(ctx context.Context, f *folder) error {
	old, err := s.layerDir(ctx, f.chain)
	if err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, f.dir, unix.AT_FDCWD, old, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("exchange %s for %s: %w", old, f.dir, err)
	}
	return nil
}

// inherit gives folders that the layer left out what they have below.
func (s *Store) inherit(ctx context.Context, chains []digest.Digest, f *folder) error {
	if len(f.implied) == 0 {
		return nil
	}
	var below []string
	for _, chain := range slices.Backward(chains) {
		dir, err := s.layerDir(ctx, layerKey(chain))
		if err != nil {
			return err
		}
		below = append(below, dir)
	}
	return layer.Inherit(f.dir, below, f.implied)
}

// abandon removes a folder that will not be stacked.
func (s *Store) abandon(ctx context.Context, f *folder) error {
	if f == nil {
		return nil
	}
	defer f.unlock()
	if err := s.snapshots.Remove(context.WithoutCancel(ctx), f.key); err != nil {
		return fmt.Errorf("remove what was unpacked: %w", err)
	}
	return nil
}

// unpackHere is unpackAll for an image whose blobs are here.
func (s *Store) unpackHere(ctx context.Context, b *bundle, lines []*layerLine) error {
	here := make(chan struct{})
	close(here)
	return s.unpackAll(ctx, b, lines, slices.Repeat([]<-chan struct{}{here}, len(b.parts.Layers)))
}

// extracting tells how much of a blob has been unpacked.
type extracting struct {
	r    io.Reader
	line *layerLine
	n    int64
}

func (e *extracting) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.n += int64(n)
	e.line.bytes(textExtracting, e.n)
	return n, err
}
