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
	path, tag, dgst, err := splitLayout(ref)
	if err != nil {
		return err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find OCI layout: %w", err)
	}
	if err := wantFolder("OCI layout", path); err != nil {
		return err
	}
	if dgst == "" {
		desc, err := ociindex.NewStoreIndex(path).Get(tag)
		if err != nil {
			return fmt.Errorf("read index of OCI layout %s: %w", path, err)
		}
		if desc == nil {
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("OCI layout %s has no image with the tag %s", path, tag))
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

// splitLayout reads PATH, PATH:TAG and PATH@DIGEST.
func splitLayout(ref string) (path, tag string, dgst digest.Digest, err error) {
	path, text, pinned := strings.Cut(ref, "@")
	if pinned {
		dgst = digest.Digest(text)
		if err := dgst.Validate(); err != nil {
			return "", "", "", invalid("OCI layout %s: %w", ref, err)
		}
	}
	tag = "latest"
	if i := strings.LastIndexByte(path, ':'); i > strings.LastIndexByte(path, '/') {
		path, tag = path[:i], path[i+1:]
	}
	if path == "" || tag == "" {
		return "", "", "", engine.Problem(engine.ErrInvalid, errors.New("an OCI layout is oci-layout://PATH[:TAG|@DIGEST]"))
	}
	return path, tag, dgst, nil
}
