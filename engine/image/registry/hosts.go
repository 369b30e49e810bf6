package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/auth"
)

// errElsewhere is the kind of a request that a registry wants sent to another host, with what is to be pushed.
var errElsewhere = errors.New("upload refused")

// maxRealms is how many token servers the hosts of one registry may name.
const maxRealms = 16

// Hosts lists who is asked for the images of a registry, and the registry itself is the one that is pushed to. It is
// for a resolver that brings an authorizer: whatever that asks with a host's client, a token server too, meets the
// guards of a pull. Each call's hosts know only what they have named themselves.
func (c *Client) Hosts(name string) ([]docker.RegistryHost, error) {
	v := &visit{client: c}
	endpoints := c.endpoints(name)
	routes := make([]route, 0, len(endpoints))
	for _, e := range endpoints {
		routes = append(routes, route{e, &patient{visit: v, next: c.roundTripper(e)}})
	}
	g := &guided{visit: v, routes: routes, realms: map[string][]endpoint{}}
	client := &http.Client{Transport: g, CheckRedirect: g.checkRedirect}
	hosts := make([]docker.RegistryHost, 0, len(endpoints))
	for _, e := range endpoints {
		h := docker.RegistryHost{
			Client: client, Host: e.url.Host, Scheme: e.url.Scheme, Path: e.path(),
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
		}
		if !e.mirror {
			h.Capabilities |= docker.HostCapabilityPush
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// path is where the endpoint's repositories begin.
func (e endpoint) path() string { return strings.TrimSuffix(e.url.Path, "/") + "/v2" }

// serves tells whether a request to u is one to the endpoint, which may have turned out to speak http.
func (e endpoint) serves(u *url.URL) bool {
	return strings.EqualFold(e.url.Host, u.Host) && (e.url.Scheme == u.Scheme || e.loose)
}

// guided sends requests of one client by two ways: to the registry's hosts, and wherever these redirect to; or to
// the token servers that they have named. Nobody tells it which is meant, so it looks who named what.
type guided struct {
	visit  *visit
	routes []route
	realms map[string][]endpoint // by realmKey, who named it; guarded by the visit's mutex
}

type route struct {
	endpoint
	to http.RoundTripper
}

func (g *guided) RoundTrip(req *http.Request) (*http.Response, error) {
	first := origin(req)
	if named := g.namedBy(first); named != nil {
		return g.visit.tokenTransport(named...).RoundTrip(req)
	}
	for _, r := range g.routes {
		if !r.serves(first) {
			continue
		}
		resp, err := r.to.RoundTrip(req)
		if err == nil && req.Response == nil && resp.StatusCode == http.StatusUnauthorized {
			g.note(r.endpoint, resp.Header)
		}
		return resp, err
	}
	// Whoever writes what is to be sent waits for its reader.
	closeBody(req)
	if hasBody(req) && req.Header.Get("Content-Type") == "application/octet-stream" {
		return nil, fmt.Errorf("%w: the registry wants it sent to %s", errElsewhere, req.URL.Host)
	}
	return nil, fmt.Errorf("%w: no host of the registry has named %s", ErrRealm, req.URL.Host)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// origin is where the first of the requests went whose redirects led to this one.
func origin(req *http.Request) *url.URL {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return req.URL
}

func (g *guided) checkRedirect(req *http.Request, via []*http.Request) error {
	if g.namedBy(via[0].URL) != nil {
		return checkTokenRedirect(req, via)
	}
	return g.visit.client.checkRedirect(req, via)
}

func realmKey(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) + u.EscapedPath() }

func (g *guided) namedBy(u *url.URL) []endpoint {
	g.visit.mu.Lock()
	defer g.visit.mu.Unlock()
	return g.realms[realmKey(u)]
}

// note remembers the token servers that an endpoint names. Who is named by several must suit each of them.
func (g *guided) note(e endpoint, answer http.Header) {
	g.visit.mu.Lock()
	defer g.visit.mu.Unlock()
	for _, c := range auth.ParseAuthHeader(answer) {
		u, err := url.Parse(c.Parameters["realm"])
		if c.Scheme != auth.BearerAuth || err != nil {
			continue
		}
		key := realmKey(u)
		named := g.realms[key]
		known := false
		for _, n := range named {
			known = known || n.url == e.url
		}
		if !known && (named != nil || len(g.realms) < maxRealms) {
			g.realms[key] = append(named[:len(named):len(named)], e)
		}
	}
}
