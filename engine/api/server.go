package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"tiffin/engine"
)

// Server is the engine's end of the socket.
type Server struct {
	http http.Server
	log  *slog.Logger
	// Admit says who may make calls; nil: all that can connect.
	Admit func(net.Conn) error
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
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
	s.http.Handler, s.http.ConnContext = admitted(mux), s.whoConnects
	s.calls(mux, b)
	if others != nil {
		mux.Handle("/", others)
	}
	return s
}

// deniedKey finds, in the context of a call, why it is not answered.
type deniedKey struct{}

// whoConnects looks at each connection once.
func (s *Server) whoConnects(ctx context.Context, conn net.Conn) context.Context {
	if s.Admit == nil {
		return ctx
	}
	if err := s.Admit(conn); err != nil {
		s.log.Warn("connection refused", "err", err)
		return context.WithValue(ctx, deniedKey{}, err)
	}
	return ctx
}

// admitted answers none of the calls of who may make none. The text is where Docker's
// clients look for it, too.
func admitted(calls http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, denied := r.Context().Value(deniedKey{}).(error); denied {
			w.Header().Set("Connection", "close")
			writeError(w, err)
			return
		}
		calls.ServeHTTP(w, r)
	})
}

// errShutdown is why calls that would go on for ever end.
var errShutdown = engine.Problem(engine.ErrUnavailable, errors.New("the engine is shutting down"))

// closingKey finds, in the context of a call, the context of Serve.
type closingKey struct{}

// Serve answers on all of listeners until ctx ends. Then calls that would go on for ever (logs,
// events, sessions) end, and the others have grace to do so.
func (s *Server) Serve(ctx context.Context, grace time.Duration, listeners ...net.Listener) error {
	base := context.WithValue(context.WithoutCancel(ctx), closingKey{}, ctx)
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	served := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { served <- s.http.Serve(l) }()
	}
	select {
	case err := <-served:
		err = errors.Join(err, s.http.Close()) // the others
		for range listeners[1:] {
			<-served
		}
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
	for range listeners {
		<-served
	}
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
