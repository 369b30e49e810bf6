package docker

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tiffin/engine"
)

// loadImages reads an archive, and says which images were in it.
func (s *Server) loadImages(w http.ResponseWriter, r *http.Request) error {
	platform, err := platformParameter(r)
	if err != nil {
		return err
	}
	out := &lines{w: w}
	report := func(p engine.Progress) {
		if p.Text == "Extracting" {
			p.Text = "Loading layer"
			out.layer(p)
		}
	}
	if flag(r, "quiet") {
		report = func(engine.Progress) {}
	}
	names, err := s.b.LoadPlatform(r.Context(), r.Body, platform, report)
	for _, name := range names {
		what := "Loaded image: "
		if strings.HasPrefix(name, "sha256:") {
			what = "Loaded image ID: "
		}
		out.stream(what + name + "\n")
	}
	return out.end(notForPlatform("no image found in the archive", platform, err))
}

// saveImages writes an archive. What is not there is said before the first byte.
func (s *Server) saveImages(w http.ResponseWriter, r *http.Request, names []string) error {
	platform, err := platformParameter(r)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return invalid("no image was named")
	}
	for _, name := range names {
		if _, err := s.b.Image(r.Context(), name); err != nil {
			return noSuchImage(name, err)
		}
	}
	w.Header().Set("Content-Type", "application/x-tar")
	return notForPlatform("no suitable export target found", platform, s.b.SavePlatform(r.Context(), names, platform, w))
}

// notForPlatform says it in Docker's words; ours, which name the platforms that are here, come behind them.
func notForPlatform(what, platform string, err error) error {
	if platform == "" || !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	return engine.Problem(engine.ErrNotFound, fmt.Errorf("%s for platform %s: %w", what, platform, err))
}
