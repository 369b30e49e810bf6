package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxConns    = 16               // open at a time for one endpoint
	idleTimeout = 10 * time.Second // of a connection, RFC 7766 §6.2.3
	maxTCPQuery = 4096             // longer ones are no questions
	acceptPause = 100 * time.Millisecond
)

// serveTCP accepts connections and answers each in its own goroutine.
func (s *Server) serveTCP(ctx context.Context) error {
	free := make(chan struct{}, maxConns)
	for {
		conn, err := s.tcp.Accept()
		switch {
		case err == nil:
		case outOfResources(err):
			if !wait(ctx, acceptPause) {
				return nil
			}
			continue
		default:
			return fmt.Errorf("accept dns connections: %w", err)
		}
		select {
		case free <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		s.wait.Go(func() {
			s.serveConn(ctx, conn)
			<-free
		})
	}
}

// outOfResources reports an error of accept that passes.
func outOfResources(err error) bool {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func wait(ctx context.Context, d time.Duration) (over bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// serveConn answers one query after the other until the client has no more.
func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	in, out, q := make([]byte, maxTCPQuery), make([]byte, 0, minUDP), new(query)
	for {
		if err := conn.SetDeadline(time.Now().Add(idleTimeout)); err != nil {
			return
		}
		m, err := readTCP(conn, in)
		if err != nil {
			return
		}
		view := s.view.Load()
		verdict, response := view.decide(q, m, out, tcp)
		if verdict == forward {
			response = s.forwardTCP(ctx, forwarded{view.Upstreams, m, *q, tcp})
		}
		if response == nil || writeTCP(conn, response) != nil {
			return
		}
	}
}

func (s *Server) forwardTCP(ctx context.Context, f forwarded) []byte {
	if !s.own.take() {
		return f.failure()
	}
	defer s.own.release()
	return s.forwarder.exchange(ctx, f)
}

// readTCP reads one message behind its length into buf.
func readTCP(r io.Reader, buf []byte) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n > len(buf) {
		return nil, fmt.Errorf("%w: %d bytes", errMalformed, n)
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// writeTCP writes a message and its length at one stroke.
func writeTCP(w io.Writer, m []byte) error {
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(m)), uint16(len(m)))
	_, err := w.Write(append(framed, m...))
	return err
}
