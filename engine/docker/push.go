package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/distribution/reference"

	"tiffin/engine"
	"tiffin/engine/call"
)

// pushResult is what tools read of a push.
type pushResult struct {
	Tag    string
	Digest string
	Size   int64
}

// pushImage sends one tag, or all that are here when none is named.
func (s *Server) pushImage(w http.ResponseWriter, r *http.Request, name string) error {
	ctx := r.Context()
	platform, err := platformParameter(r)
	if err != nil {
		return err
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return engine.Problem(engine.ErrInvalid, errors.Join(errReference, err))
	}
	if tag := r.URL.Query().Get("tag"); tag != "" {
		if named, err = reference.WithTag(reference.TrimNamed(named), tag); err != nil {
			return engine.Problem(engine.ErrInvalid, err)
		}
	}
	refs := []string{reference.FamiliarString(named)}
	if reference.IsNameOnly(named) {
		if refs, err = s.tagsHere(ctx, named); err != nil {
			return err
		}
	}
	auths := logins(r, reference.Domain(named))
	out := &lines{w: w, head: &line{}}
	out.head.Status = "The push refers to repository [" + named.Name() + "]"
	for _, ref := range refs {
		if err := s.push(ctx, out, pushOf{ref, platform, auths}); err != nil {
			return out.end(pushError(err))
		}
	}
	return nil
}

// pushError says it in Docker's words, which scripts look for; ours come behind them.
func pushError(err error) error {
	if errors.Is(err, engine.ErrDenied) {
		return engine.Problem(engine.ErrDenied, fmt.Errorf("denied: requested access to the resource is denied: %w", advised(err)))
	}
	return advised(err)
}

func (s *Server) tagsHere(ctx context.Context, repository reference.Named) ([]string, error) {
	list, err := s.b.Images(ctx)
	if err != nil {
		return nil, err
	}
	var refs []string
	seen := map[string]bool{}
	for i := range list {
		for _, name := range list[i].Names {
			ref, err := reference.ParseNormalizedNamed(name)
			if err == nil && ref.Name() == repository.Name() && !seen[name] {
				seen[name] = true
				refs = append(refs, name)
			}
		}
	}
	if len(refs) == 0 {
		return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("An image does not exist locally with the tag: %s", reference.FamiliarName(repository))) //nolint:staticcheck // Docker's words
	}
	return refs, nil
}

// pushOf is what of one name goes to its registry.
type pushOf struct {
	ref, platform string
	auths         map[string]call.RegistryAuth
}

func (s *Server) push(ctx context.Context, out *lines, p pushOf) error {
	ref := p.ref
	_, err := s.b.Image(ctx, ref)
	if errors.Is(err, engine.ErrNotFound) {
		name, _ := repositoryAndTag(ref)
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("An image does not exist locally with the tag: %s", name)) //nolint:staticcheck // Docker's words
	}
	if err != nil {
		return err
	}
	sent, err := s.b.SentFor(ctx, ref, p.platform)
	if err != nil {
		return notForPlatform("no suitable image manifest found", p.platform, err)
	}
	if err := s.b.PushPlatform(ctx, ref, p.platform, p.auths, out.layer); err != nil {
		return err
	}
	_, tag := repositoryAndTag(ref)
	out.status(fmt.Sprintf("%s: digest: %s size: %d", tag, sent.Digest, sent.Size))
	return out.aux(pushResult{Tag: tag, Digest: sent.Digest.String(), Size: sent.Size})
}

// repositoryAndTag splits a name; a port is no tag.
func repositoryAndTag(ref string) (repository, tag string) {
	i := strings.LastIndexByte(ref, ':')
	if i <= strings.LastIndexByte(ref, '/') {
		return ref, "latest"
	}
	return ref[:i], ref[i+1:]
}
