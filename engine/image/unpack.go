package image

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"

	"tiffin/engine"
	"tiffin/engine/image/layer"
)

// tellHere tells the first line of each layer: new, or, from the base up, here already with blob and folder.
func (s *Store) tellHere(ctx context.Context, b *bundle, lines []*layerLine) error {
	here := true
	for i, d := range b.parts.Layers {
		_, err := s.content.Info(ctx, d.Digest)
		if err == nil {
			_, err = s.snapshots.Stat(ctx, b.variant.chains[i].String())
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

// unpackAll unpacks the layers in order, each when its blob has come.
func (s *Store) unpackAll(ctx context.Context, b *bundle, lines []*layerLine, fetched []chan struct{}) error {
	for i := range b.parts.Layers {
		select {
		case <-fetched[i]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := s.unpackLayer(ctx, b, i, lines[i]); err != nil {
			return err
		}
		lines[i].say(textDone)
	}
	return nil
}

// unpackLayer makes the folder of the ith layer, unless it is there.
func (s *Store) unpackLayer(ctx context.Context, b *bundle, i int, line *layerLine) error {
	chain := b.variant.chains[i].String()
	unlock, err := s.chains.lock(ctx, chain)
	if err != nil {
		return err
	}
	defer unlock()
	parent := ""
	if i > 0 {
		parent = b.variant.chains[i-1].String()
	}
	key := "unpack " + rand.Text() + " " + chain
	// With the label, a folder that is there already is put under the lease.
	_, err = s.snapshots.Prepare(ctx, key, parent, snapshots.WithLabels(map[string]string{snapshots.LabelSnapshotRef: chain}))
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("prepare the layer %s: %w", chain, err)
	}
	line.say(textExtracting)
	err = s.applyLayer(ctx, b, i, key, line)
	if err == nil {
		err = s.snapshots.Commit(ctx, chain, key)
	}
	if err == nil {
		return nil
	}
	if gone := s.snapshots.Remove(context.WithoutCancel(ctx), key); gone != nil {
		err = fmt.Errorf("%w; and remove it: %w", err, gone)
	}
	return fmt.Errorf("layer %s: %w", b.parts.Layers[i].Digest, err)
}

// applyLayer unpacks the ith blob into the folder of key, and checks that the image's config knows what came out.
func (s *Store) applyLayer(ctx context.Context, b *bundle, i int, key string, line *layerLine) error {
	d := b.parts.Layers[i]
	target, err := s.layerTarget(ctx, key, b, i)
	if err != nil {
		return err
	}
	blob, err := s.content.ReaderAt(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }()
	r := &extracting{r: content.NewReader(blob), line: line}
	got, err := layer.Apply(ctx, layer.Source{Blob: r, Size: d.Size}, target, s.limits)
	if err != nil {
		return err
	}
	want := b.config.RootFS.DiffIDs[i]
	if got.DiffID != want {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("it holds %s, and the image's config promises %s", got.DiffID, want))
	}
	return nil
}

// layerTarget is where the ith layer goes, relative to the folder of all layers.
func (s *Store) layerTarget(ctx context.Context, key string, b *bundle, i int) (layer.Target, error) {
	t := layer.Target{Base: filepath.Join(s.layersRoot(), "snapshots")}
	dir, err := s.layerDir(ctx, key)
	if err != nil {
		return t, err
	}
	if t.Dir, err = filepath.Rel(t.Base, dir); err != nil {
		return t, err
	}
	for _, chain := range slices.Backward(b.variant.chains[:i]) {
		dir, err := s.layerDir(ctx, chain.String())
		if err != nil {
			return t, err
		}
		rel, err := filepath.Rel(t.Base, dir)
		if err != nil {
			return t, err
		}
		t.Parents = append(t.Parents, rel)
	}
	return t, nil
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
