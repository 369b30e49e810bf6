package docker

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
)

// The versions of the API. Clients say theirs in the path; what older ones read is there,
// too, whatever they say.
const (
	MaxVersion = "1.52"
	MinVersion = "1.24"
)

// Config is what a server is told.
type Config struct {
	// Version is tiffin's; DataRoot and RunRoot are the engine's.
	Version           string
	DataRoot, RunRoot string
	Log               *slog.Logger
	// Closing ends when the engine is to end: calls that would go on for ever end then.
	Closing context.Context //nolint:containedctx // it is the life of the server
}

// Server answers the calls.
type Server struct {
	cfg    Config
	b      Backend
	mux    *http.ServeMux
	execs  execs
	builds builds
	// sessions are the calls whose connections are their own.
	sessions sync.WaitGroup
}

// New makes a server for b.
func New(cfg Config, b Backend) *Server {
	s := &Server{cfg: cfg, b: b, mux: http.NewServeMux()}
	s.systemRoutes()
	s.containerRoutes()
	s.execRoutes()
	s.archiveRoutes()
	s.statsRoutes()
	s.imageRoutes()
	s.networkRoutes()
	s.volumeRoutes()
	s.buildRoutes()
	s.usageRoutes()
	s.refusals()
	return s
}

// Wait returns when no session is left. No new one may begin any more.
func (s *Server) Wait() { s.sessions.Wait() }

// ServeHTTP implements http.Handler. A version in the path is checked and taken off.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Api-Version", MaxVersion)
	h.Set("Docker-Experimental", "false")
	h.Set("Ostype", runtime.GOOS)
	h.Set("Server", "Tiffin/"+s.cfg.Version+" ("+runtime.GOOS+")")
	version, path := splitVersion(r.URL.Path)
	if err := checkVersion(version); err != nil {
		writeError(w, err)
		return
	}
	r.URL.Path = path
	if r.URL.RawPath != "" {
		_, r.URL.RawPath = splitVersion(r.URL.RawPath)
	}
	s.mux.ServeHTTP(w, r)
}

// splitVersion cuts /v1.44 off the front of a path.
func splitVersion(path string) (version, rest string) {
	after, ok := strings.CutPrefix(path, "/v")
	if !ok {
		return "", path
	}
	version, rest, ok = strings.Cut(after, "/")
	if !ok || !strings.HasPrefix(version, "1.") {
		return "", path
	}
	return version, "/" + rest
}

func checkVersion(version string) error {
	const text = "client version %s is too %s. %s supported API version is %s, please upgrade your client to a%s version"
	switch {
	case version == "":
		return nil
	case older(version, MinVersion):
		return invalid(text, version, "old", "Minimum", MinVersion, " newer")
	case older(MaxVersion, version):
		return invalid(text, version, "new", "Maximum", MaxVersion, "n older")
	default:
		return nil
	}
}

// older compares versions of the API: 1.9 is older than 1.24.
func older(a, b string) bool {
	a, b = strings.TrimPrefix(a, "1."), strings.TrimPrefix(b, "1.")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// whileServing is the context of a call that goes on for ever if it is let.
func (s *Server) whileServing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.cfg.Closing, cancel)
	return ctx, func() { stop(); cancel() }
}
