package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Config says where images come from. The zero value is: from the registry in the image's name, over TLS.
type Config struct {
	// Mirrors are asked before the registry itself, in order: "docker.io" → "http://127.0.0.1:5000".
	Mirrors map[string][]string
	// Insecure are registries that may speak plain http or have an unknown certificate: a host, host:port or CIDR.
	// Loopback addresses always may.
	Insecure []string
	// Idle is how long a registry may be silent before the request is given up; 0: 30 s.
	Idle time.Duration
}

// Auth finds the credentials for a registry by its name in images ("docker.io", "127.0.0.1:5000"); the zero value
// for a registry that it knows nothing about.
type Auth func(registry string) (call.RegistryAuth, error)

// Client makes resolvers that share connections.
type Client struct {
	mirrors  map[string][]endpoint
	insecure insecure
	idle     time.Duration
	strict   way
	loose    way
}

// way is how hosts of one kind are reached.
type way struct {
	asking, sending *http.Transport
}

// RoundTrip sends what has a body by a way of its own.
func (w way) RoundTrip(req *http.Request) (*http.Response, error) {
	if hasBody(req) {
		return w.sending.RoundTrip(req)
	}
	return w.asking.RoundTrip(req)
}

func newWay(asking *http.Transport) way {
	sending := asking.Clone()
	// A registry looks at a blob of gigabytes before it answers.
	sending.ResponseHeaderTimeout = max(asking.ResponseHeaderTimeout, sentTimeout)
	// HTTP/2 has windows that Go lets nobody widen: one upload would crawl.
	sending.ForceAttemptHTTP2 = false
	sending.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	return way{asking, sending}
}

func (w way) close() {
	w.asking.CloseIdleConnections()
	w.sending.CloseIdleConnections()
}

// endpoint is one host that serves a registry's images.
type endpoint struct {
	registry string // whose images it serves, by its name in images
	url      url.URL
	mirror   bool
	// loose endpoints may speak http, and prove nothing about who they are.
	loose bool
}

const (
	defaultIdle = 30 * time.Second
	dialTimeout = 15 * time.Second
	sentTimeout = 5 * time.Minute
)

// New checks the configuration.
//
// Errors: engine.ErrInvalid.
func New(c Config) (*Client, error) {
	in, err := parseInsecure(c.Insecure)
	if err != nil {
		return nil, err
	}
	if c.Idle == 0 {
		c.Idle = defaultIdle
	}
	client := &Client{insecure: in, idle: c.Idle, mirrors: map[string][]endpoint{}}
	for name, mirrors := range c.Mirrors {
		for _, m := range mirrors {
			e, err := parseMirror(name, m, in)
			if err != nil {
				return nil, err
			}
			client.mirrors[name] = append(client.mirrors[name], e)
		}
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	client.strict = newWay(client.transport(dialer.DialContext))
	loose := client.transport(dialer.DialContext)
	loose.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // only for hosts configured as insecure, and loopback
	client.loose = newWay(loose)
	return client, nil
}

func (c *Client) transport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: c.idle,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   8,
		// Blobs are compressed already, and containerd's fetcher asks for encodings itself.
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
	}
}

// Close closes the connections that are not in use.
func (c *Client) Close() {
	c.strict.close()
	c.loose.close()
}

// Resolver makes a resolver for one pull: tokens that it gets are its own. auth may be nil.
func (c *Client) Resolver(auth Auth) remotes.Resolver {
	v := &visit{client: c, auth: auth}
	return docker.NewResolver(docker.ResolverOptions{
		Hosts:   v.hosts,
		Headers: http.Header{"User-Agent": {"tiffin"}},
	})
}

// Pusher makes a resolver for one push, which goes to the registry itself and to no mirror. What is sent, and the
// credentials, meet the guards of Hosts.
func (c *Client) Pusher(auth Auth) remotes.Resolver {
	v := &visit{client: c, auth: auth}
	return docker.NewResolver(docker.ResolverOptions{
		Hosts: func(name string) ([]docker.RegistryHost, error) {
			hosts, err := c.Hosts(name)
			if err != nil {
				return nil, err
			}
			self := c.endpoints(name)[len(hosts)-1:]
			hosts = hosts[len(hosts)-1:]
			return hosts, v.authorize(&hosts[0], self[0], hosts[0].Client)
		},
		Headers: http.Header{"User-Agent": {"tiffin"}},
	})
}

// hosts lists who is asked for the images of a registry.
func (v *visit) hosts(name string) ([]docker.RegistryHost, error) {
	var hosts []docker.RegistryHost
	for _, e := range v.client.endpoints(name) {
		h, err := v.host(e)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// endpoints is the table: the mirrors, then the registry itself.
func (c *Client) endpoints(name string) []endpoint {
	host, err := docker.DefaultHost(name)
	if err != nil {
		host = name
	}
	self := endpoint{registry: name, url: url.URL{Scheme: "https", Host: host}, loose: c.insecure.has(host)}
	return append(slices.Clone(c.mirrors[name]), self)
}

func (v *visit) host(e endpoint) (docker.RegistryHost, error) {
	h := docker.RegistryHost{
		Client:       v.registryClient(e),
		Host:         e.url.Host,
		Scheme:       e.url.Scheme,
		Path:         e.path(),
		Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
	}
	return h, v.authorize(&h, e, v.tokenClient(e))
}

// authorize gives a host the caller's credentials for it. tokens asks the token servers that it names.
func (v *visit) authorize(h *docker.RegistryHost, e endpoint, tokens *http.Client) error {
	creds, err := v.credentials(e)
	if err != nil {
		return err
	}
	if creds.RegistryToken != "" {
		h.Header = http.Header{"Authorization": {"Bearer " + creds.RegistryToken}}
		return nil
	}
	opts := []docker.AuthorizerOpt{
		docker.WithAuthClient(tokens),
		docker.WithAuthHeader(http.Header{"User-Agent": {"tiffin"}}),
		docker.WithAuthCreds(func(host string) (user, secret string, err error) {
			// Whoever a redirect led to may ask for credentials too, and gets none.
			if host != e.url.Host {
				return "", "", nil
			}
			if creds.IdentityToken != "" {
				return "", creds.IdentityToken, nil
			}
			return creds.Username, creds.Password, nil
		}),
	}
	if v.refreshed != nil {
		opts = append(opts, docker.WithFetchRefreshToken(func(_ context.Context, token string, _ *http.Request) {
			if token != "" {
				v.refreshed(token)
			}
		}))
	}
	h.Authorizer = docker.NewDockerAuthorizer(opts...)
	return nil
}

// credentials are those for the registry's name, or for a mirror's own host.
func (v *visit) credentials(e endpoint) (call.RegistryAuth, error) {
	if v.auth == nil {
		return call.RegistryAuth{}, nil
	}
	name := e.registry
	if e.mirror {
		name = e.url.Host
	}
	return v.auth(name)
}

// insecure is the list of hosts that need not prove who they are.
type insecure struct {
	hosts []string
	nets  []netip.Prefix
}

func parseInsecure(list []string) (insecure, error) {
	var in insecure
	for _, s := range list {
		if !strings.Contains(s, "/") {
			in.hosts = append(in.hosts, strings.ToLower(s))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return in, fmt.Errorf("%w insecure registry %q: neither a host nor a CIDR", engine.ErrInvalid, s)
		}
		in.nets = append(in.nets, p)
	}
	return in, nil
}

// has tells about host or host:port.
func (in insecure) has(hostport string) bool {
	host := (&url.URL{Host: hostport}).Hostname()
	if slices.Contains(in.hosts, strings.ToLower(hostport)) || slices.Contains(in.hosts, strings.ToLower(host)) {
		return true
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	inNet := func(p netip.Prefix) bool { return p.Contains(ip) }
	return ip.IsLoopback() || slices.ContainsFunc(in.nets, inNet)
}

func parseMirror(registry, mirror string, in insecure) (endpoint, error) {
	if !strings.Contains(mirror, "://") {
		mirror = "https://" + mirror
	}
	u, err := url.Parse(mirror)
	if err == nil && (u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "http" && u.Scheme != "https")) {
		err = errors.New("want http(s)://host[:port][/path]")
	}
	if err != nil {
		return endpoint{}, fmt.Errorf("%w mirror %q of %s: %w", engine.ErrInvalid, mirror, registry, err)
	}
	loose := u.Scheme == "http" || in.has(u.Host)
	return endpoint{registry: registry, url: *u, mirror: true, loose: loose}, nil
}
