package docker

import (
	"net/http"
	"strings"

	"tiffin/engine"
)

// loadImages reads an archive, and says which images were in it.
func (s *Server) loadImages(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("platform") {
		return unsupported("loading single platforms of an image")
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
	names, err := s.b.LoadImages(r.Context(), r.Body, report)
	for _, name := range names {
		what := "Loaded image: "
		if strings.HasPrefix(name, "sha256:") {
			what = "Loaded image ID: "
		}
		out.stream(what + name + "\n")
	}
	return out.end(err)
}

// saveImages writes an archive. What is not there is said before the first byte.
func (s *Server) saveImages(w http.ResponseWriter, r *http.Request, names []string) error {
	if r.URL.Query().Has("platform") {
		return unsupported("saving single platforms of an image")
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
	return s.b.SaveImages(r.Context(), names, w)
}
