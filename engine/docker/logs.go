package docker

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/docker/shape"
)

// logs sends what a container has written, and, if it is to follow, what it writes until
// it ends.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := s.whileServing(r.Context())
	defer cancel()
	c, err := s.b.Inspect(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	if c.Spec.Log.Driver == "none" {
		return engine.Problem(engine.ErrUnsupported, errors.New("configured logging driver does not support reading"))
	}
	req := &call.LogRequest{
		Containers: []string{c.ID}, Follow: flag(r, "follow"), Tail: -1, Stdout: flag(r, "stdout"), Stderr: flag(r, "stderr"),
	}
	if !req.Stdout && !req.Stderr {
		return invalid("Bad parameters: you must choose at least one stream")
	}
	query, now := r.URL.Query(), time.Now()
	if tail := query.Get("tail"); tail != "" && tail != "all" {
		// Docker takes what is no number for all.
		if n, err := strconv.Atoi(tail); err == nil && n >= 0 {
			req.Tail = n
		}
	}
	if req.Since, err = timeOf(query.Get("since"), now); err != nil {
		return err
	}
	if req.Until, err = timeOf(query.Get("until"), now); err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType(c.Spec.TTY))
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	if err := flush(); err != nil {
		return err
	}
	stdout, stderr := outputs(w, c.Spec.TTY)
	details := ""
	if flag(r, "details") {
		details = shape.LogDetails(&c) + " "
	}
	lines := map[call.Stream]*stamper{
		call.Stdout: {w: stdout, on: flag(r, "timestamps"), details: details},
		call.Stderr: {w: stderr, on: flag(r, "timestamps"), details: details},
	}
	return s.b.Logs(ctx, req, func(e call.LogEntry) error {
		to := lines[e.Stream]
		if to == nil || len(e.Data) == 0 {
			return nil
		}
		if err := to.write(e.Time, e.Data); err != nil {
			return err
		}
		if !req.Follow {
			return nil
		}
		return flush()
	})
}

// stamper writes output, with the time before each line if that is on, and details behind it.
type stamper struct {
	w       io.Writer
	on      bool
	details string
	open    bool // the last line goes on
	buf     bytes.Buffer
}

// stampLayout is RFC 3339 with all nine digits.
const stampLayout = "2006-01-02T15:04:05.000000000Z07:00"

func (s *stamper) write(at time.Time, p []byte) error {
	if !s.on && s.details == "" {
		_, err := s.w.Write(p)
		return err
	}
	s.buf.Reset()
	stamp := s.details
	if s.on {
		stamp = at.UTC().Format(stampLayout) + " " + stamp
	}
	for line := range bytes.Lines(p) {
		if !s.open {
			s.buf.WriteString(stamp)
		}
		s.buf.Write(line)
		s.open = line[len(line)-1] != '\n'
	}
	_, err := s.w.Write(s.buf.Bytes())
	return err
}
