package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteserrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"

	"tiffin/engine"
	"tiffin/engine/call"
)

// maxPages bounds the pages of a list of tags.
const maxPages = 100

// Login asks the registry itself whether it knows who brings these credentials. It returns the
// token that stands for them from now on, where the registry's token server gives one.
//
// Errors: engine.ErrDenied when it does not; engine.ErrUnavailable.
func (c *Client) Login(ctx context.Context, registry string, creds call.RegistryAuth) (identity string, err error) {
	identity = creds.IdentityToken
	v := &visit{client: c, auth: func(string) (call.RegistryAuth, error) { return creds, nil }, refreshed: func(t string) { identity = t }}
	self := c.endpoints(registry)[len(c.mirrors[registry])]
	h, err := v.host(self)
	if err != nil {
		return "", err
	}
	at := (&url.URL{Scheme: h.Scheme, Host: h.Host, Path: h.Path + "/"}).String()
	resp, err := ask(ctx, &h, at)
	var refused remoteserrors.ErrUnexpectedStatus
	switch {
	case errors.Is(err, docker.ErrInvalidAuthorization), errors.Is(err, ErrRealm):
		return "", engine.Problem(engine.ErrDenied, fmt.Errorf("login attempt to %s failed: %w", at, innermost(err)))
	case errors.As(err, &refused) && refused.StatusCode < http.StatusInternalServerError: // the token server
		return "", engine.Problem(engine.ErrDenied, fmt.Errorf("login attempt to %s failed with status: %s", at, refused.Status))
	case err != nil:
		return "", Pull.Explain(registry, registry, err)
	}
	if err := resp.Body.Close(); err != nil {
		return "", unreachable(registry, err)
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return "", engine.Problem(engine.ErrDenied, fmt.Errorf("login attempt to %s failed with status: %s", at, resp.Status))
	case resp.StatusCode >= http.StatusBadRequest:
		return "", engine.Problem(engine.ErrUnavailable, fmt.Errorf("login attempt to %s failed with status: %s", at, resp.Status))
	default:
		return identity, nil
	}
}

// Tags lists the tags of a repository. Mirrors are asked before the registry itself.
func (c *Client) Tags(ctx context.Context, registry, path string, auth Auth) ([]string, error) {
	ctx = docker.WithScope(ctx, "repository:"+path+":pull")
	v := &visit{client: c, auth: auth}
	hosts, err := v.hosts(registry)
	if err != nil {
		return nil, err
	}
	var errs []error
	for i := range hosts {
		tags, err := tagsOf(ctx, &hosts[i], path)
		if err == nil {
			return tags, nil
		}
		errs = append(errs, err)
	}
	return nil, errs[len(errs)-1] // the registry's own word
}

func tagsOf(ctx context.Context, h *docker.RegistryHost, path string) ([]string, error) {
	base := url.URL{Scheme: h.Scheme, Host: h.Host, Path: h.Path + "/" + path + "/tags/list"}
	at := &base
	var all []string
	for range maxPages {
		page, next, err := tagPage(ctx, h, at)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		more, err := base.Parse(next)
		if err != nil || more.Host != base.Host {
			return nil, fmt.Errorf("the next page of tags is said to be at %q", next)
		}
		at = more
	}
	return nil, fmt.Errorf("more than %d pages of tags", maxPages)
}

func tagPage(ctx context.Context, h *docker.RegistryHost, at *url.URL) (tags []string, next string, err error) {
	resp, err := ask(ctx, h, at.String())
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, "", fmt.Errorf("%s: %w", at.Path, errdefs.ErrNotFound)
	default:
		return nil, "", remoteserrors.NewUnexpectedStatusErr(resp)
	}
	var answer struct{ Tags []string }
	text, err := io.ReadAll(io.LimitReader(resp.Body, MaxDocument))
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer.Tags, nextPage(resp.Header.Get("Link")), err
}

// ask gets a document, and shows the credentials when it is asked for them.
func ask(ctx context.Context, h *docker.RegistryHost, at string) (*http.Response, error) {
	for again := false; ; again = true {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", "tiffin")
		maps.Copy(req.Header, h.Header)
		if h.Authorizer != nil {
			if err := h.Authorizer.Authorize(ctx, req); err != nil {
				return nil, err
			}
		}
		resp, err := h.Client.Do(req)
		if err != nil || resp.StatusCode != http.StatusUnauthorized || again || h.Authorizer == nil {
			return resp, err
		}
		// One who wants what we do not have has said its last word.
		if err := h.Authorizer.AddResponses(ctx, []*http.Response{resp}); err != nil {
			return resp, nil //nolint:nilerr // see above
		}
		_ = resp.Body.Close()
	}
}

// nextPage reads the address of the next page: <address>; rel="next".
func nextPage(link string) string {
	address, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(rest, `rel="next"`) {
		return ""
	}
	return address
}
