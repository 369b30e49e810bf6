package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrRealm is the kind of a token server that a registry named and that gets no credentials.
var ErrRealm = errors.New("token server refused")

// tokenClient asks the token server that the registry e names. It is a client of its own, since whom it may talk
// to depends on e.
func (v *visit) tokenClient(e endpoint) *http.Client {
	return &http.Client{Transport: v.tokenTransport(e), CheckRedirect: checkTokenRedirect}
}

func checkTokenRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects || !sameOrigin(via[0].URL, req.URL) {
		return fmt.Errorf("%w: it redirects to %s", ErrRealm, req.URL.Host)
	}
	return nil
}

// tokenTransport sends requests to a token server that these registries, or mirrors, have named.
func (v *visit) tokenTransport(named ...endpoint) http.RoundTripper {
	dialer := &net.Dialer{Timeout: dialTimeout}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := *dialer
		d.ControlContext = func(_ context.Context, _, actual string, _ syscall.RawConn) error {
			for _, e := range named {
				if err := v.checkAddress(e, actual); err != nil {
					return err
				}
			}
			return nil
		}
		return d.DialContext(ctx, network, addr)
	}
	t := v.client.transport(dial)
	t.DisableKeepAlives = true
	if !slices.ContainsFunc(named, func(e endpoint) bool { return !e.loose }) {
		t.TLSClientConfig = v.client.loose.asking.TLSClientConfig
		t.Proxy = nil
	}
	return &tokens{named: named, idle: v.client.idle, next: t}
}

// tokens guards requests to a token server.
type tokens struct {
	named []endpoint
	idle  time.Duration
	next  http.RoundTripper
}

func (t *tokens) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, e := range t.named {
		if err := checkRealm(e, req.URL); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = watch(ctx, cancel, resp.Body, body{idle: t.idle, left: maxToken})
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
