package registry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

const maxRedirects = 10

var (
	errRedirects = errors.New("more than 10 redirects")
	errDowngrade = errors.New("a redirect from https to http was refused")
)

// checkRedirect lets a registry send us elsewhere for a blob, but not with its credentials, nor out of TLS. (Go
// itself would send them along to other ports and to subdomains.)
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return errRedirects
	}
	if req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https" && !c.insecure.has(req.URL.Host) {
		return errDowngrade
	}
	if !sameOrigin(via[0].URL, req.URL) {
		for _, h := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Cookie2", "Referer"} {
			req.Header.Del(h)
		}
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
