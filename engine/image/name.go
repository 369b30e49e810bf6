package image

import (
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"tiffin/engine"
)

// dangling begins the record's name of an image that has no name any more.
const dangling = "dangling@"

// parseName reads a reference as a user writes it: nginx, nginx:alpine, ghcr.io/a/b@sha256:…; a tag beside a
// digest says nothing, and is left out.
func parseName(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("image reference %q: %w", ref, err))
	}
	d, ok := named.(reference.Digested)
	if !ok {
		return reference.TagNameOnly(named), nil
	}
	if err := checkDigest(d.Digest()); err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("image reference %q: %w", ref, err))
	}
	return reference.WithDigest(reference.TrimNamed(named), d.Digest())
}

// parseTag reads a name that an image can be given.
func parseTag(ref string) (reference.Named, error) {
	named, err := parseName(ref)
	if err != nil {
		return nil, err
	}
	if _, ok := named.(reference.Digested); ok {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("image reference %q: a digest cannot be given to an image", ref))
	}
	return named, nil
}

// familiar is a record's name as users know it: nginx:alpine.
func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}

// repository is a record's name without tag and digest, as users know it.
func repository(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarName(named)
}

func isDangling(name string) bool { return strings.HasPrefix(name, dangling) }

func isDigestName(name string) bool { return strings.Contains(name, "@") }

// idPrefix tells whether ref can be the beginning of an image's ID, and returns it without sha256:.
func idPrefix(ref string) (string, bool) {
	hex := strings.TrimPrefix(ref, "sha256:")
	if hex == "" || len(hex) > 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", false
	}
	return hex, true
}

// parsePlatform reads os/arch[/variant]; "" is this host.
func parsePlatform(s string) (platforms.MatchComparer, error) {
	if s == "" {
		return platforms.Default(), nil
	}
	p, err := platforms.Parse(s)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("platform %q: %w", s, err))
	}
	return platforms.Only(p), nil
}

var errAlgorithm = errors.New("a digest is sha256 or sha512")

// checkDigest is asked before a digest becomes a path.
func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %q: %w", d, err)
	}
	if a := d.Algorithm(); a != digest.SHA256 && a != digest.SHA512 {
		return fmt.Errorf("digest %q: %w", d, errAlgorithm)
	}
	return nil
}
