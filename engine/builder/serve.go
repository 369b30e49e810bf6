package builder

import (
	"context"
	"net"
	"sync"

	"github.com/containerd/containerd/v2/defaults"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc"
)

// Serve answers one caller on conn, by BuildKit's control API, until the caller goes
// away or ctx ends. Builds of a caller that goes away are cancelled.
func (b *Builder) Serve(ctx context.Context, conn net.Conn) error {
	s, err := b.acquire(ctx)
	if err != nil {
		return err
	}
	defer b.release()
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpcerrors.UnaryServerInterceptor, s.noteFailure),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
		grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
		grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize),
	)
	s.control.Register(server)
	l := listenOn(conn)
	defer context.AfterFunc(ctx, server.Stop)()
	err = server.Serve(l)
	// It waits for the handlers: nothing of this caller goes on.
	server.Stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if l.isClosed() {
		return nil
	}
	return err
}

// ServeSession is the other direction: over conn, the caller answers what builds ask it for, those that it makes on
// other connections. The headers say which session it is, and what it has. It ends with conn or with ctx.
func (b *Builder) ServeSession(ctx context.Context, conn net.Conn, headers map[string][]string) error {
	s, err := b.acquire(ctx)
	if err != nil {
		return err
	}
	defer b.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// BuildKit looks only now and then whether somebody is there, and a build waits for it.
	return s.sessions.HandleConn(ctx, &ending{Conn: conn, end: cancel}, headers)
}

// noteFailure has what a build that failed has left taken away soon: that may be what
// the disk is full of.
func (s *solver) noteFailure(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	resp, err := handler(ctx, req)
	if err != nil && info.FullMethod == controlapi.Control_Solve_FullMethodName {
		s.failed.Store(true)
	}
	return resp, err
}

// single is a listener that has one connection, and ends with it.
type single struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func listenOn(conn net.Conn) *single {
	l := &single{conns: make(chan net.Conn, 1), done: make(chan struct{}), addr: conn.LocalAddr()}
	l.conns <- &ending{Conn: conn, end: l.end}
	return l
}

func (l *single) end() { l.once.Do(func() { close(l.done) }) }

func (l *single) isClosed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// Accept implements net.Listener.
func (l *single) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *single) Close() error {
	l.end()
	return nil
}

// Addr implements net.Listener.
func (l *single) Addr() net.Addr { return l.addr }

// ending is a connection that tells when it is closed.
type ending struct {
	net.Conn
	end func()
}

// Close implements net.Conn.
func (e *ending) Close() error {
	defer e.end()
	return e.Conn.Close()
}
