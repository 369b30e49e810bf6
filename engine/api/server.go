package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Server is the engine's end of the socket.
type Server struct {
	http http.Server
	log  *slog.Logger
	// sessions are the calls whose connections are their own.
	sessions sync.WaitGroup
}

// NewServer makes a server for b. Calls that are not tiffin's own go to others, which may
// be nil.
func NewServer(b Backend, others http.Handler, log *slog.Logger) *Server {
	mux := http.NewServeMux()
	s := &Server{
		log: log,
		http: http.Server{
			Handler:           mux,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
	s.calls(mux, b)
	if others != nil {
		mux.Handle("/", others)
	}
	return s
}

// maxPath is how long the path of a socket may be (unix(7)).
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// Listen makes the socket at path, for its owner only. A socket that is in the way is
// replaced: the caller holds the engine's lock, so nobody listens on it.
//
// Errors: engine.ErrInvalid for a path that is too long, engine.ErrConflict for
// something else that is in the way.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, engine.Hint(
			engine.Problem(engine.ErrInvalid, fmt.Errorf("listen on %s: the path of a socket has at most %d bytes", path, maxPath)),
			"choose a shorter run root")
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("listen: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, engine.Problem(engine.ErrConflict, fmt.Errorf("listen on %s: something else is there", path))
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("replace socket: %w", err)
		}
	}
	config := net.ListenConfig{Control: ownerOnly}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// ownerOnly sets the mode that the socket's file will have before there is one: it is
// never open to others.
func ownerOnly(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
	return errors.Join(err, failed)
}

// errShutdown is why calls that would go on for ever end.
var errShutdown = engine.Problem(engine.ErrUnavailable, errors.New("the engine is shutting down"))

// closingKey finds, in the context of a call, the context of Serve.
type closingKey struct{}

// Serve answers on l until ctx ends. Then calls that would go on for ever (logs,
// events, sessions) end, and the others have grace to do so.
func (s *Server) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	base := context.WithValue(context.WithoutCancel(ctx), closingKey{}, ctx)
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := s.http.Shutdown(end)
	if err != nil {
		s.log.Debug("calls cut off at shutdown", "err", err)
		err = s.http.Close()
	}
	<-served
	s.sessions.Wait()
	return err
}

// whileServing is the context of a call that goes on for ever if it is let.
func whileServing(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	closing, ok := ctx.Value(closingKey{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	stop := context.AfterFunc(closing, func() { cancel(errShutdown) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}

// endOf is the error of a call that ended because its context did, whatever it says.
func endOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errShutdown) {
		return cause
	}
	return err
}
