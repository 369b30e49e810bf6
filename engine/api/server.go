package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// Server is the engine's end of the socket.
type Server struct {
	http http.Server
	log  *slog.Logger
}

// NewServer makes a server for b.
func NewServer(b Backend, log *slog.Logger) *Server {
	mux := http.NewServeMux()
	calls(mux, b)
	return &Server{
		log: log,
		http: http.Server{
			Handler:           mux,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
}

// Listen makes the socket at path, for its owner only. A socket that is in the way is
// replaced: the caller holds the engine's lock, so nobody listens on it.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect socket: %w", err), l.Close())
	}
	return l, nil
}

// Serve answers on l until ctx ends, then lets calls under way finish for grace.
func (s *Server) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	s.http.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.http.Shutdown(end); err != nil {
		s.log.Debug("calls cut off at shutdown", "err", err)
		return s.http.Close()
	}
	return nil
}
