package registry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteserrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

func TestEndpoints(t *testing.T) {
	c, err := New(Config{
		Mirrors:  map[string][]string{"docker.io": {"http://10.0.0.1:5000", "mirror.example.com/hub"}, "ghcr.io": {"https://m:1"}},
		Insecure: []string{"10.1.0.0/16", "dev.example.com", "other.example.com:5000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{
		"docker.io":              {"http://10.0.0.1:5000 loose mirror", "https://mirror.example.com/hub mirror", "https://registry-1.docker.io"},
		"ghcr.io":                {"https://m:1 mirror", "https://ghcr.io"},
		"quay.io":                {"https://quay.io"},
		"localhost:5000":         {"https://localhost:5000 loose"},
		"127.0.0.9":              {"https://127.0.0.9 loose"},
		"[::1]:5000":             {"https://[::1]:5000 loose"},
		"10.1.2.3:80":            {"https://10.1.2.3:80 loose"},
		"10.2.2.3":               {"https://10.2.2.3"},
		"DEV.example.com":        {"https://DEV.example.com loose"},
		"dev.example.com:9":      {"https://dev.example.com:9 loose"},
		"other.example.com":      {"https://other.example.com"},
		"other.example.com:5000": {"https://other.example.com:5000 loose"},
		"localhost.example.com":  {"https://localhost.example.com"},
	}
	for name, want := range cases {
		var got []string
		for _, e := range c.endpoints(name) {
			s := e.url.String()
			if e.loose {
				s += " loose"
			}
			if e.mirror {
				s += " mirror"
			}
			got = append(got, s)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, bad := range []Config{
		{Insecure: []string{"10.0.0.0/99"}},
		{Mirrors: map[string][]string{"docker.io": {"ftp://x"}}},
		{Mirrors: map[string][]string{"docker.io": {"https://user:pass@x"}}},
		{Mirrors: map[string][]string{"docker.io": {"https://"}}},
	} {
		if _, err := New(bad); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestCredentialsAreOfTheNameInImages(t *testing.T) {
	var asked []string
	c, err := New(Config{Mirrors: map[string][]string{"docker.io": {"http://127.0.0.1:5000"}}})
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{client: c, auth: func(name string) (call.RegistryAuth, error) {
		asked = append(asked, name)
		return call.RegistryAuth{RegistryToken: "t"}, nil
	}}
	hosts, err := v.hosts("docker.io")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"127.0.0.1:5000", "docker.io"}, asked); d != "" {
		t.Error(d)
	}
	if h := hosts[1]; h.Host != "registry-1.docker.io" || h.Header.Get("Authorization") != "Bearer t" || h.Authorizer != nil {
		t.Errorf("%+v", h)
	}
}

func TestCheckRealm(t *testing.T) {
	public := endpoint{url: url.URL{Scheme: "https", Host: "registry.example.com"}}
	loose := endpoint{url: url.URL{Scheme: "https", Host: "10.0.0.1:5000"}, loose: true}
	local := endpoint{url: url.URL{Scheme: "http", Host: "localhost:5000"}, loose: true}
	cases := []struct {
		from  endpoint
		realm string
		ok    bool
	}{
		{public, "https://auth.example.org/token", true},
		{public, "http://registry.example.com/token", false},
		{public, "https://user@auth.example.org/token", false},
		{public, "ftp://auth.example.org/", false},
		{loose, "http://10.0.0.1:5001/token", true},
		{loose, "http://10.0.0.2:5001/token", false},
		{local, "http://127.0.0.1:5001/token", true},
		{local, "http://10.0.0.1/token", false},
	}
	for _, c := range cases {
		u, err := url.Parse(c.realm)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkRealm(c.from, u); (err == nil) != c.ok {
			t.Errorf("%s names %s: %v", c.from.url.Host, c.realm, err)
		}
	}
}

func TestMayName(t *testing.T) {
	const public, private, shared, loop, meta = "93.184.216.34", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254"
	all := []string{public, private, shared, loop, meta, "fe80::1", "::1", "fd00::1", "0.0.0.0", "224.0.0.1", "::ffff:127.0.0.1"}
	cases := map[string][]string{
		public:  {public},
		private: {public, private, shared, "fd00::1"},
		loop:    {public, private, shared, loop, "::1", "fd00::1", "::ffff:127.0.0.1"},
		meta:    {public, private, shared, loop, meta, "::1", "fd00::1", "::ffff:127.0.0.1"},
	}
	for from, want := range cases {
		var got []string
		for _, to := range all {
			if mayName(netip.MustParseAddr(from), netip.MustParseAddr(to).Unmap()) {
				got = append(got, to)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("a registry at %s: %s", from, d)
		}
	}
}

func TestCheckRedirect(t *testing.T) {
	c, err := New(Config{Insecure: []string{"old.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		from, to string
		kept, ok bool
	}{
		{"https://r.example.com/a", "https://r.example.com/b", true, true},
		{"https://r.example.com/a", "https://r.example.com:443/b", true, true},
		{"https://r.example.com/a", "https://r.example.com:444/b", false, true},
		{"https://r.example.com/a", "https://sub.r.example.com/b", false, true},
		{"https://r.example.com/a", "http://r.example.com/b", false, false},
		{"https://old.example.com/a", "http://old.example.com/b", false, true},
		{"http://127.0.0.1:5000/a", "http://127.0.0.1:5001/b", false, true},
	}
	for _, x := range cases {
		via, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.from, nil)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.to, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "secret")
		err = c.checkRedirect(req, []*http.Request{via})
		if (err == nil) != x.ok || (x.ok && (req.Header.Get("Authorization") != "") != x.kept) {
			t.Errorf("%s to %s: %v, %v", x.from, x.to, req.Header, err)
		}
	}
}

func TestExplain(t *testing.T) {
	get := func(err error) error {
		return fmt.Errorf("failed to do request: %w", &url.Error{Op: "Get", URL: "https://r/v2/x", Err: err})
	}
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: syscall.ECONNREFUSED}
	cases := map[string]struct {
		err  error
		kind error
		text string
		hint string
	}{
		"not found": {fmt.Errorf("x: %w", errdefs.ErrNotFound), engine.ErrNotFound, `image "app" not found in registry r`, ""},
		"denied": {
			docker.ErrInvalidAuthorization, engine.ErrDenied, `image "app" is not there, or needs a login at registry r`,
			"check the name, or log in: docker login r (~/.docker/config.json is read)",
		},
		"forbidden": {
			remoteserrors.ErrUnexpectedStatus{StatusCode: 403, Status: "403 Forbidden"},
			engine.ErrDenied,
			`image "app" is not there, or needs a login at registry r`, "check the name, or log in: docker login r (~/.docker/config.json is read)",
		},
		"busy": {
			get(&StatusError{429, "429 Too Many Requests", 5}), engine.ErrUnavailable, "registry r answered 429 Too Many Requests, 5 times",
			"wait a while, or log in: many registries allow more to those who do",
		},
		"broken":  {get(&StatusError{502, "502 Bad Gateway", 5}), engine.ErrUnavailable, "registry r answered 502 Bad Gateway, 5 times", ""},
		"down":    {get(dial), engine.ErrUnavailable, "registry r is not reachable: dial tcp 127.0.0.1:1: connection refused", ""},
		"unknown": {get(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "r"}}), engine.ErrUnavailable, "registry r is not reachable: dial tcp: lookup r: no such host", ""},
		"a certificate of nobody": {
			get(x509.UnknownAuthorityError{}), engine.ErrUnavailable, "registry r is not reachable: x509: certificate signed by unknown authority",
			"install its certificate authority on this host, or list it as an insecure registry",
		},
		"a token server": {
			get(fmt.Errorf("%w: http://x is not https", ErrRealm)), engine.ErrDenied, `pull "app": registry r: token server refused: http://x is not https`, "",
		},
		"our own disk": {
			fmt.Errorf("prepare the layer: %w", &fs.PathError{Op: "mkdir", Path: "x", Err: syscall.ENOSPC}), nil,
			`pull "app", registry r: prepare the layer: mkdir x: no space left on device`, "",
		},
		"anything else": {errors.New("odd"), nil, `pull "app", registry r: odd`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := Pull.Explain("app", "r", c.err)
			if got.Error() != c.text || (c.kind != nil && !errors.Is(got, c.kind)) || engine.HintOf(got) != c.hint {
				t.Errorf("got %v (%s)", got, engine.HintOf(got))
			}
		})
	}
}
