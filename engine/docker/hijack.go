package docker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The media types of output: raw from a terminal, else in frames.
const (
	rawStream   = "application/vnd.docker.raw-stream"
	multiplexed = "application/vnd.docker.multiplexed-stream"
)

// hijacked is a connection that has changed its protocol.
type hijacked struct {
	net.Conn
	in *bufio.Reader
}

// hijack takes the connection of a call over and answers. Old clients do not ask for an
// upgrade and want 200.
func hijack(w http.ResponseWriter, r *http.Request, kind string) (hijacked, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return hijacked{}, fmt.Errorf("take over the connection: %w", err)
	}
	h := hijacked{conn, rw.Reader}
	// The server had bounds on the request; what follows has none.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return h, err
	}
	head := "HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\n\r\n"
	if strings.EqualFold(r.Header.Get("Upgrade"), "tcp") {
		head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: " + kind + "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
	}
	_, err = io.WriteString(conn, head)
	return h, err
}

// input reads what the client sends, to be read from what it returns, and calls gone when
// the client has gone. A client that only ends its input stays.
func (h hijacked) input(gone func()) io.Reader {
	in, out := io.Pipe()
	go func() {
		_, err := io.Copy(out, h.in)
		_ = out.CloseWithError(err) // nil is the end of the input
		h.awaitHangup()
		gone()
	}()
	return in
}

// awaitHangup returns when the client has closed both directions, or we have.
func (h hijacked) awaitHangup() {
	conn, ok := h.Conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	// The end of the input is there to be read for ever; what is waited for is the next
	// event, and then looked whether it was the hangup.
	_ = raw.Read(func(fd uintptr) bool {
		look := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(look, 0)
		return err != nil && !errors.Is(err, unix.EINTR) || n > 0 && look[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
}

// end says that all was said, and closes the connection.
func (h hijacked) end() {
	if half, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // or the client went away
	}
	_ = h.Close() // see above
}

// framed writes one of the streams of a process as frames: a byte for the stream, three
// of zero, four for the length, then the output.
type framed struct {
	mu     *sync.Mutex
	w      io.Writer
	stream byte
}

const frameHead = 8

// Write implements io.Writer.
func (f framed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var head [frameHead]byte
	head[0] = f.stream
	binary.BigEndian.PutUint32(head[4:], uint32(len(p)))
	buffers := net.Buffers{head[:], p}
	if _, err := buffers.WriteTo(f.w); err != nil {
		return 0, err
	}
	return len(p), nil
}

// outputs are the writers of a process's streams; with a terminal there is one, raw.
func outputs(w io.Writer, tty bool) (stdout, stderr io.Writer) { //nolint:revive // it has one or not
	if tty {
		return w, w
	}
	var mu sync.Mutex
	return framed{&mu, w, 1}, framed{&mu, w, 2}
}

func mediaType(tty bool) string { //nolint:revive // see outputs
	if tty {
		return rawStream
	}
	return multiplexed
}

// lazyWriter writes to what comes later.
type lazyWriter struct{ to io.Writer }

func (l *lazyWriter) Write(p []byte) (int, error) { return l.to.Write(p) }

// lazyReader reads from what comes later.
type lazyReader struct{ from io.Reader }

func (l *lazyReader) Read(p []byte) (int, error) { return l.from.Read(p) }
