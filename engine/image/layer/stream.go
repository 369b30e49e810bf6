package layer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the most memory that a zstd stream may ask for.
const maxWindow = 128 << 20

// Decompress reads a gzip, zstd or plain stream, whichever it begins like. (containerd's own function would run
// igzip or unpigz from the PATH.)
//
// Errors: ErrRefused for a stream that is no good.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	buf := bufio.NewReaderSize(r, 256<<10)
	head, err := buf.Peek(10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the layer: %w", err)
	}
	switch compression.DetectCompression(head) {
	case compression.Gzip:
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return z, nil
	case compression.Zstd:
		z, err := zstd.NewReader(buf, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return z.IOReadCloser(), nil
	default:
		return io.NopCloser(buf), nil
	}
}

const (
	chunkSize = 256 << 10
	chunks    = 8
)

// ahead reads a stream on a goroutine of its own, so that decompression and writing have a core each.
type ahead struct {
	full  chan chunk
	empty chan []byte
	stop  chan struct{}
	ended sync.WaitGroup

	rest []byte // of current
	now  chunk
}

type chunk struct {
	buf []byte
	err error // after buf
}

func readAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan chunk, chunks), empty: make(chan []byte, chunks), stop: make(chan struct{})}
	for range chunks {
		a.empty <- nil // allocated when first used: most layers are small
	}
	a.ended.Go(func() { a.fill(r) })
	return a
}

func (a *ahead) fill(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case <-a.stop:
			return
		case buf = <-a.empty:
		}
		if buf == nil {
			buf = make([]byte, chunkSize)
		}
		n, err := fillUp(r, buf)
		a.full <- chunk{buf[:n], err} // as many places as buffers: never blocks
		if err != nil {
			return
		}
	}
}

// fillUp is io.ReadFull, but tells a stream that ended from one that was cut off.
func fillUp(r io.Reader, buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.buf != nil {
			a.empty <- a.now.buf[:chunkSize]
		}
		a.now = <-a.full
		a.rest = a.now.buf
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the reading; the stream itself is closed by its owner afterwards.
func (a *ahead) Close() {
	close(a.stop)
	a.ended.Wait()
}
