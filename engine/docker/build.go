package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/docker/classic"
)

func (s *Server) buildRoutes() {
	s.stream("POST /grpc", func(w http.ResponseWriter, r *http.Request) error {
		return s.tunnel(w, r, s.b.Build)
	})
	s.stream("POST /session", s.buildSession)
	s.mux.HandleFunc("POST /build", s.build)
	s.handle("POST /build/prune", s.pruneBuilds)
	s.handle("POST /build/cancel", s.cancelBuild)
}

// tunnelProtocol is what is spoken on connections that belong to a builder's client.
const tunnelProtocol = "h2c"

// tunnel hands the connection of a call over to do.
func (s *Server) tunnel(w http.ResponseWriter, r *http.Request, do func(context.Context, net.Conn) error) error {
	switch asked := r.Header.Get("Upgrade"); {
	case asked == "":
		return invalid("no upgrade proto in request")
	case !strings.EqualFold(asked, tunnelProtocol):
		return invalid("protocol %s not supported", asked)
	}
	s.sessions.Add(1)
	defer s.sessions.Done()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // all was said
	err = conn.SetDeadline(time.Time{})
	if err == nil {
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+tunnelProtocol+"\r\n\r\n")
	}
	if err != nil {
		return err
	}
	ctx, cancel := s.whileServing(context.WithoutCancel(r.Context()))
	defer cancel()
	return do(ctx, spoken{hijacked{conn, rw.Reader}})
}

// spoken is a connection some of whose bytes may have been read already.
type spoken struct{ hijacked }

// Read implements net.Conn.
func (c spoken) Read(p []byte) (int, error) { return c.in.Read(p) }

// sessionHeader says which session a connection is for.
const sessionHeader = "X-Docker-Expose-Session-Uuid"

func (s *Server) buildSession(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get(sessionHeader) == "" {
		return invalid("no session ID in request: missing header %s", sessionHeader)
	}
	return s.tunnel(w, r, func(ctx context.Context, conn net.Conn) error {
		return s.b.BuildSession(ctx, conn, r.Header)
	})
}

// dialBuilder connects with the builder from within. The builder's end goes with the other one.
func (s *Server) dialBuilder(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	ctx = context.WithoutCancel(ctx) // a canceled build still has to hear of it
	s.sessions.Go(func() {
		ctx, cancel := s.whileServing(ctx)
		defer cancel()
		defer theirs.Close() //nolint:errcheck // a pipe's never fails
		if err := s.b.Build(ctx, theirs); err != nil {
			s.cfg.Log.Debug("build ended", "err", err)
		}
	})
	return ours, nil
}

// build answers as it builds, and reads the context meanwhile.
func (s *Server) build(w http.ResponseWriter, r *http.Request) {
	req, err := classic.Parse(r.URL.Query(), r.Header.Get("X-Registry-Config"))
	var body io.Reader
	if err == nil {
		body, err = req.Check(r.Body)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	ctx, cancel := s.whileServing(r.Context())
	defer cancel()
	if err := s.builds.begin(req.ID, cancel); err != nil {
		writeError(w, err)
		return
	}
	defer s.builds.end(req.ID)
	c := http.NewResponseController(w)
	if err := c.EnableFullDuplex(); err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	classic.Run(ctx, s.dialBuilder, req, body, classic.Output{To: w, Flush: func() { _ = c.Flush() }})
}

// builds are those that clients may cancel, by the names that they gave them.
type builds struct {
	mu   sync.Mutex
	ends map[string]context.CancelFunc
}

func (b *builds) begin(id string, cancel context.CancelFunc) error {
	if id == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ends[id] != nil {
		return errors.New("build with ID " + id + " is already in progress")
	}
	if b.ends == nil {
		b.ends = map[string]context.CancelFunc{}
	}
	b.ends[id] = cancel
	return nil
}

func (b *builds) end(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ends, id)
}

// cancelBuild answers the same whether there is such a build.
func (s *Server) cancelBuild(r *http.Request) (any, error) {
	id := r.URL.Query().Get("id")
	if id == "" {
		return nil, invalid("build ID not provided")
	}
	s.builds.mu.Lock()
	defer s.builds.mu.Unlock()
	if cancel := s.builds.ends[id]; cancel != nil {
		cancel()
	}
	return nil, nil //nolint:nilnil // no content
}

func (s *Server) pruneBuilds(r *http.Request) (any, error) {
	opts, err := classic.ParsePrune(r.URL.Query())
	if err != nil {
		return nil, err
	}
	report, err := classic.Prune(r.Context(), s.dialBuilder, opts)
	if err == nil {
		s.pruned(engine.EventBuilder, report.SpaceReclaimed)
	}
	return report, err
}
