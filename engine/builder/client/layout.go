package client

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client/ociindex"
	"github.com/opencontainers/go-digest"

	"tiffin/engine"
)

// addLayout tells the frontend of an image in a folder of the OCI's layout, which the engine reads over the session.
func (s *source) addLayout(key, ref string) error {
	l, err := splitLayout(ref)
	if err != nil {
		return err
	}
	path, err := filepath.Abs(l.path)
	if err != nil {
		return fmt.Errorf("find OCI layout: %w", err)
	}
	if err := wantFolder("OCI layout", path); err != nil {
		return err
	}
	dgst := l.digest
	if dgst == "" {
		desc, err := ociindex.NewStoreIndex(path).Get(l.tag)
		if err != nil {
			return fmt.Errorf("read index of OCI layout %s: %w", path, err)
		}
		if desc == nil {
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("OCI layout %s has no image with the tag %s", path, l.tag))
		}
		dgst = desc.Digest
	}
	store, err := local.NewStore(path)
	if err != nil {
		return fmt.Errorf("open OCI layout %s: %w", path, err)
	}
	id := fmt.Sprintf("layout%d", len(s.stores))
	s.stores[id] = store
	s.attrs[key] = "oci-layout://" + id + "@" + dgst.String()
	return nil
}

// inLayout is an image in a layout.
type inLayout struct {
	path, tag string
	digest    digest.Digest // wins over the tag
}

// splitLayout reads PATH, PATH:TAG and PATH@DIGEST.
func splitLayout(ref string) (inLayout, error) {
	path, text, pinned := strings.Cut(ref, "@")
	l := inLayout{path: path, tag: "latest", digest: digest.Digest(text)}
	if pinned {
		if err := l.digest.Validate(); err != nil {
			return l, invalid("OCI layout %s: %w", ref, err)
		}
	}
	if i := strings.LastIndexByte(path, ':'); i > strings.LastIndexByte(path, '/') {
		l.path, l.tag = path[:i], path[i+1:]
	}
	if l.path == "" || l.tag == "" {
		return l, engine.Problem(engine.ErrInvalid, errors.New("an OCI layout is oci-layout://PATH[:TAG|@DIGEST]"))
	}
	return l, nil
}
