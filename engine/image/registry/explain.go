package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteserrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"

	"tiffin/engine"
)

// Act is what a registry was asked for.
type Act string

// The acts.
const (
	Pull Act = "pull"
	Push Act = "push"
)

// Explain says in our words what became of an act on image (as the user wrote it) at registry.
//
// Errors: engine.ErrNotFound, ErrDenied, ErrUnavailable or ErrInvalid; others are wrapped as they are.
func (act Act) Explain(image, registry string, err error) error {
	var status *StatusError
	var unexpected remoteserrors.ErrUnexpectedStatus
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &status):
		return busy(registry, status)
	case errors.Is(err, ErrRealm):
		return engine.Problem(engine.ErrDenied, fmt.Errorf("%s %q: registry %s: %w", act, image, registry, innermost(err)))
	case errors.Is(err, errElsewhere):
		return engine.Problem(engine.ErrDenied, fmt.Errorf("%s %q: registry %s: %w", act, image, registry, innermost(err)))
	case errors.Is(err, ErrTooLarge):
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("%s %q: registry %s: %w", act, image, registry, innermost(err)))
	case errors.As(err, &unexpected):
		return act.answered(image, registry, unexpected)
	case errors.Is(err, docker.ErrInvalidAuthorization):
		return act.denied(image, registry)
	case errdefs.IsNotFound(err):
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("image %q not found in registry %s", image, registry))
	case isConnection(err):
		return unreachable(registry, err)
	default:
		return fmt.Errorf("%s %q, registry %s: %w", act, image, registry, err)
	}
}

func busy(registry string, s *StatusError) error {
	err := engine.Problem(engine.ErrUnavailable, fmt.Errorf("registry %s answered %w", registry, s))
	if s.Code == http.StatusTooManyRequests {
		return engine.Hint(err, "wait a while, or log in: many registries allow more to those who do")
	}
	return err
}

func (act Act) answered(image, registry string, u remoteserrors.ErrUnexpectedStatus) error {
	switch {
	case u.StatusCode == http.StatusUnauthorized, u.StatusCode == http.StatusForbidden:
		return act.denied(image, registry)
	case u.StatusCode >= http.StatusInternalServerError:
		return engine.Problem(engine.ErrUnavailable, fmt.Errorf("registry %s answered %s", registry, u.Status))
	default:
		return fmt.Errorf("%s %q: registry %s answered %s", act, image, registry, u.Status)
	}
}

// denied cannot tell more: registries say the same of an image that is not there and of one that is not for us.
func (act Act) denied(image, registry string) error {
	err := fmt.Errorf("image %q is not there, or needs a login at registry %s", image, registry)
	if act == Push {
		err = fmt.Errorf("image %q may not be pushed to registry %s without a login that is allowed to", image, registry)
	}
	login := "docker login"
	if registry != "docker.io" {
		login += " " + registry
	}
	return engine.Hint(engine.Problem(engine.ErrDenied, err),
		"check the name, or log in: "+login+" (~/.docker/config.json is read)")
}

func unreachable(registry string, err error) error {
	var plain tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var cert *tls.CertificateVerificationError
	p := engine.Problem(engine.ErrUnavailable, fmt.Errorf("registry %s is not reachable: %w", registry, connection(err)))
	switch {
	case errors.As(err, &plain):
		return engine.Hint(p, "it speaks plain http: if that is as it should be, list it as an insecure registry")
	case errors.As(err, &authority), errors.As(err, &name), errors.As(err, &cert):
		return engine.Hint(p, "install its certificate authority on this host, or list it as an insecure registry")
	default:
		return p
	}
}

// isConnection tells errors of the network from those of our own disk, whose error numbers
// satisfy net.Error just as well.
func isConnection(err error) bool {
	var n net.Error
	if !errors.As(err, &n) {
		return Temporary(err)
	}
	_, bare := n.(syscall.Errno)
	return !bare || Temporary(err)
}

// connection is the part of err that speaks of the connection, without the request that containerd puts around it.
func connection(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// innermost is the part of err that this package said, without the request around it.
func innermost(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
