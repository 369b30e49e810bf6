package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A tunnel is a call whose connection is handed over: what is spoken on it from then on
// is not this package's business.
//
//	client                              engine
//	POST build, Upgrade: h2c     ──▶
//	                             ◀──    101 Switching Protocols
//	HTTP/2 both ways             ◀─▶
const tunnelProtocol = "h2c"

// tunnel registers a call whose connection is handed over to do, which has to return
// when ctx ends.
func tunnel(s *Server, mux *http.ServeMux, name string, do func(context.Context, net.Conn) error) {
	handle(mux, name, func(w http.ResponseWriter, r *http.Request, _ *empty) {
		s.takeOver(w, r, tunnelProtocol, func(ctx context.Context, _ context.CancelCauseFunc, conn bufferedConn) {
			if err := do(ctx, conn); err != nil && !errors.Is(context.Cause(ctx), errShutdown) {
				s.log.Warn("call ended", "call", name, "err", err)
			}
		})
	})
}

// takeOver lets the connection of a call change its protocol, and closes it after do.
func (s *Server) takeOver(w http.ResponseWriter, r *http.Request, protocol string,
	do func(ctx context.Context, cancel context.CancelCauseFunc, conn bufferedConn),
) {
	s.sessions.Add(1)
	defer s.sessions.Done()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		writeError(w, fmt.Errorf("take over the connection: %w", err))
		return
	}
	defer conn.Close() //nolint:errcheck // all was said
	// The server had bounds on the request; what follows has none.
	err = conn.SetDeadline(time.Time{})
	if err == nil {
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n")
	}
	if err != nil {
		return // the client went away
	}
	ctx, cancel := whileServing(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	do(ctx, cancel, bufferedConn{conn, rw.Reader})
}

// Build returns a connection on which the engine speaks BuildKit's control API, which
// is gRPC on HTTP/2. It belongs to the caller.
func (c *Client) Build(ctx context.Context) (net.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	in, err := c.upgrade(ctx, conn, upgrading{name: "build", protocol: tunnelProtocol, req: empty{}})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return bufferedConn{conn, in}, nil
}

// bufferedConn is a connection some of whose bytes have been read already.
type bufferedConn struct {
	net.Conn
	in *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.in.Read(p) }
