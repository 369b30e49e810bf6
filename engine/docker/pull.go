package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/builder/change"
	"tiffin/engine/call"
)

// createImage pulls, or imports: it is one route for both.
func (s *Server) createImage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Get("fromImage") == "" {
		return s.importImage(w, r)
	}
	ref, err := reference.ParseNormalizedNamed(nameOf(q.Get("fromImage"), q.Get("tag")))
	if err != nil {
		return engine.Problem(engine.ErrInvalid, errors.Join(errReference, err))
	}
	auths := logins(r, reference.Domain(ref))
	out := &lines{w: w}
	if !reference.IsNameOnly(ref) {
		return out.end(pullError(ref, s.pull(r.Context(), out, ref, q.Get("platform"), auths)))
	}
	// A name without a tag is all of them.
	tags, err := s.b.RemoteTags(r.Context(), reference.FamiliarName(ref), auths)
	for _, tag := range tags {
		if err != nil {
			break
		}
		var one reference.Named
		if one, err = reference.WithTag(ref, tag); err == nil {
			err = s.pull(r.Context(), out, one, q.Get("platform"), auths)
		}
	}
	return out.end(pullError(ref, err))
}

// pullError says it in Docker's words, which scripts look for; ours come behind them.
func pullError(ref reference.Named, err error) error {
	name := reference.FamiliarName(ref)
	switch {
	case errors.Is(err, engine.ErrDenied):
		// Docker says of what may be missing that it is; so the kind is another one, and is not wrapped.
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("pull access denied for %s, repository does not exist or may require 'docker login': denied: %s", name, advised(err).Error()))
	case errors.Is(err, engine.ErrNotFound):
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("manifest for %s not found: manifest unknown: %w", reference.FamiliarString(ref), err))
	default:
		return advised(err)
	}
}

var errReference = errors.New("invalid reference format")

func (s *Server) pull(ctx context.Context, out *lines, ref reference.Named, platform string, auths map[string]call.RegistryAuth) error {
	name, tag := reference.FamiliarString(ref), ""
	switch r := ref.(type) {
	case reference.Digested:
		tag = r.Digest().String()
	case reference.Tagged:
		tag = r.Tag()
	}
	head := line{}
	head.Status, head.ID = "Pulling from "+reference.Path(ref), tag
	out.mu.Lock()
	if out.begun {
		out.write(head)
	} else {
		out.head = &head
	}
	out.mu.Unlock()
	before, err := s.b.ImageFor(ctx, name, platform)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	var unpacked atomic.Bool
	img, err := s.b.PullImage(ctx, name, platform, auths, func(p engine.Progress) {
		if p.Text == "Pull complete" {
			unpacked.Store(true)
		}
		out.layer(p)
	})
	if err != nil {
		return err
	}
	out.status("Digest: " + img.Digest)
	if before.ID == img.ID && before.Digest == img.Digest && !unpacked.Load() {
		out.status("Status: Image is up to date for " + name)
	} else {
		out.status("Status: Downloaded newer image for " + name)
	}
	return nil
}

// importImage makes an image of a root filesystem that comes with the request.
func (s *Server) importImage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	switch src := q.Get("fromSrc"); src {
	case "-":
	case "":
		return invalid("nothing to pull or to import: neither fromImage nor fromSrc is given")
	default:
		return engine.Hint(unsupported("importing from an address"), "fetch "+src+" first, and import the file")
	}
	config, err := change.Apply(engine.ImageConfig{}, q["changes"])
	if err != nil {
		return err
	}
	img, err := s.b.Import(r.Context(), r.Body, &call.ImportRequest{
		Name: nameOf(q.Get("repo"), q.Get("tag")), Config: config, Comment: q.Get("message"), Platform: q.Get("platform"),
	})
	if err != nil {
		return err
	}
	(&lines{w: w}).status(img.ID)
	return nil
}

// platformParameter reads a platform, which is JSON in all routes but two.
func platformParameter(r *http.Request) (string, error) {
	texts := r.URL.Query()["platform"]
	if len(texts) == 0 || texts[0] == "" {
		return "", nil
	}
	if len(texts) > 1 {
		return "", unsupported("naming several platforms")
	}
	return platformOf(texts[0])
}

// platformOf reads a platform of JSON.
func platformOf(text string) (string, error) {
	var p ocispec.Platform
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return "", invalid("failed to parse platform: %w", err)
	}
	if p.OS == "" || p.Architecture == "" {
		return "", invalid("invalid platform %q: OS and Architecture must be provided", text)
	}
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/"), nil
}
