package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// ErrRealm is the kind of a token server that a registry named and that gets no credentials.
var ErrRealm = errors.New("token server refused")

// tokenClient asks the token server that the registry e names. It is a client of its own, since whom it may talk
// to depends on e.
func (v *visit) tokenClient(e endpoint) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := *dialer
		d.ControlContext = func(_ context.Context, _, actual string, _ syscall.RawConn) error {
			return v.checkAddress(e, actual)
		}
		return d.DialContext(ctx, network, addr)
	}
	t := v.client.transport(dial)
	t.DisableKeepAlives = true
	if e.loose {
		t.TLSClientConfig = v.client.loose.TLSClientConfig
		t.Proxy = nil
	}
	return &http.Client{
		Transport: &tokens{registry: e, next: t},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects || !sameOrigin(via[0].URL, req.URL) {
				return fmt.Errorf("%w: it redirects to %s", ErrRealm, req.URL.Host)
			}
			return nil
		},
	}
}

// tokens guards requests to a token server.
type tokens struct {
	registry endpoint
	next     http.RoundTripper
}

func (t *tokens) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkRealm(t.registry, req.URL); err != nil {
		return nil, err
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &capped{resp.Body, maxToken}
	return resp, nil
}

// checkRealm decides by the address as it is written: TLS, unless the registry itself is one that needs none and
// is on the same host.
func checkRealm(registry endpoint, realm *url.URL) error {
	switch {
	case realm.User != nil:
		return fmt.Errorf("%w: %s has a user in it", ErrRealm, realm.Host)
	case realm.Scheme == "https":
		return nil
	case realm.Scheme == "http" && registry.loose && sameHost(registry.url.Hostname(), realm.Hostname()):
		return nil
	default:
		return fmt.Errorf("%w: %s://%s is not https", ErrRealm, realm.Scheme, realm.Host)
	}
}

func sameHost(a, b string) bool {
	return strings.EqualFold(a, b) || (isLoopback(a) && isLoopback(b))
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

// checkAddress decides by the address that is really dialled: a registry out there cannot name a token server
// in here.
func (v *visit) checkAddress(registry endpoint, actual string) error {
	ap, err := netip.ParseAddrPort(actual)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRealm, err)
	}
	from, known := v.hasReached(registry.url.Host)
	if !known {
		return fmt.Errorf("%w: %s was never reached", ErrRealm, registry.url.Host)
	}
	if to := ap.Addr().Unmap(); !mayName(from, to) {
		return fmt.Errorf("%w: %s is nearer than the registry at %s", ErrRealm, to, from)
	}
	return nil
}

// mayName tells whether a registry at one address may send us with credentials to another.
func mayName(registry, realm netip.Addr) bool {
	return registry == realm || (nearness(realm) <= nearness(registry) && nearness(realm) < nearLink)
}

const (
	nearPublic = iota
	nearPrivate
	nearLoopback
	nearLink // link-local: where clouds keep their metadata
)

func nearness(a netip.Addr) int {
	sharedSpace := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) // RFC 6598
	switch {
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsUnspecified():
		return nearLink
	case a.IsLoopback():
		return nearLoopback
	case a.IsPrivate(), sharedSpace.Contains(a):
		return nearPrivate
	default:
		return nearPublic
	}
}

// capped is a body that may not have more than left bytes.
type capped struct {
	io.ReadCloser
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
