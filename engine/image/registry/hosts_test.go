package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/util/resolver"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
)

// login is the end of a build's session that knows the password for one host.
type login struct {
	auth.UnimplementedAuthServer
	host string
}

func (l *login) Register(s *grpc.Server) { auth.RegisterAuthServer(s, l) }

func (l *login) Credentials(_ context.Context, r *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	if r.Host != l.host {
		return &auth.CredentialsResponse{}, nil
	}
	return &auth.CredentialsResponse{Username: "me", Secret: "hunter2"}, nil
}

// building is BuildKit's resolver over our hosts, in a session that is logged in at host.
func building(t *testing.T, c Config, host string, push bool) *resolver.Resolver {
	t.Helper()
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	sm, err := session.NewManager()
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.NewSession(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	s.Allow(&login{host: host})
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(context.WithoutCancel(t.Context()), func(ctx context.Context, _ string, meta map[string][]string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() { _ = sm.HandleConn(ctx, there, meta) }()
			return here, nil
		})
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return resolver.NewPool().GetResolver(client.Hosts, host+"/app:v1", resolver.ScopeType{Push: push}, sm, session.NewGroup(s.ID()))
}

// buildFetch asks a registry for some blob as a build does.
func buildFetch(t *testing.T, c Config, host string) error {
	t.Helper()
	f, err := building(t, c, host, false).Fetcher(t.Context(), host+"/app:v1")
	if err != nil {
		return err
	}
	rc, err := f.Fetch(t.Context(), ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Size: 4, Digest: digest.FromString("blob")})
	if err != nil {
		return err
	}
	defer func() { _ = rc.Close() }()
	_, err = io.ReadAll(rc)
	return err
}

func TestHosts(t *testing.T) {
	c, err := New(Config{Mirrors: map[string][]string{"docker.io": {"http://127.0.0.1:5000/hub"}}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Hosts("docker.io")
	if err != nil {
		t.Fatal(err)
	}
	type host struct {
		URL  string
		Push bool
	}
	var got []host
	for _, h := range list {
		got = append(got, host{h.Scheme + "://" + h.Host + h.Path, h.Capabilities.Has(docker.HostCapabilityPush)})
	}
	want := []host{{"http://127.0.0.1:5000/hub/v2", false}, {"https://registry-1.docker.io/v2", true}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// asking wants a token of the realm, and then answers in the way of f.
func asking(realm func() string, f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer good" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm()+`",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f(w, req)
	}
}

func blob(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "blob") }

func givesToken(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"access_token":"good","token":"good"}`)
}

func at(u string) func() string { return func() string { return u } }

func TestABuildsTokensComeFromWhomTheRegistryNames(t *testing.T) {
	t.Run("and get the password of the session", func(t *testing.T) {
		server := record(t, givesToken)
		registry := record(t, asking(at(server.URL+"/token"), blob))
		if err := buildFetch(t, Config{}, registry.host()); err != nil {
			t.Fatal(err)
		}
		if got := server.seen[len(server.seen)-1].Get("Authorization"); !strings.HasPrefix(got, "Basic ") {
			t.Errorf("it was sent %q", got)
		}
	})
	t.Run("a mirror's client asks the registry's too", func(t *testing.T) {
		server := record(t, givesToken)
		mirror := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
		registry := record(t, asking(at(server.URL+"/token"), blob))
		c := Config{Mirrors: map[string][]string{registry.host(): {mirror.URL}}}
		if err := buildFetch(t, c, registry.host()); err != nil || len(mirror.seen) == 0 {
			t.Errorf("%v, the mirror was asked %d times", err, len(mirror.seen))
		}
	})
	t.Run("one that gives megabytes is cut off", func(t *testing.T) {
		server := record(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"token":"`)
			for b := bytes.Repeat([]byte("a"), 64<<10); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		})
		registry := record(t, asking(at(server.URL+"/token"), blob))
		if err := buildFetch(t, Config{}, registry.host()); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one that redirects elsewhere is refused", func(t *testing.T) {
		thief := record(t, givesToken)
		server := record(t, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, thief.URL, http.StatusTemporaryRedirect)
		})
		registry := record(t, asking(at(server.URL+"/token"), blob))
		if err := buildFetch(t, Config{}, registry.host()); !errors.Is(err, ErrRealm) || len(thief.seen) > 0 {
			t.Errorf("%v, the thief was asked %d times", err, len(thief.seen))
		}
	})
	t.Run("one without TLS that is somewhere else is refused", func(t *testing.T) {
		registry := record(t, asking(at("http://auth.example.com/token"), blob))
		if err := buildFetch(t, Config{}, registry.host()); !errors.Is(err, ErrRealm) {
			t.Errorf("got %v", err)
		}
	})
}

// Where a blob lies may be anywhere; who is there gets no credentials, and sends nobody to a token server.
func TestABuildsRedirectGetsNoCredentials(t *testing.T) {
	var thief *recorder
	for name, evil := range map[string]http.HandlerFunc{
		"that takes what comes":    blob,
		"that asks for a password": func(w http.ResponseWriter, _ *http.Request) { challenge(w, `Basic realm="x"`) },
		"that asks for a token": func(w http.ResponseWriter, _ *http.Request) {
			challenge(w, `Bearer realm="`+thief.URL+`/token",service="x"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			thief = record(t, givesToken)
			elsewhere := record(t, evil)
			registry := record(t, func(w http.ResponseWriter, req *http.Request) {
				if user, pass, ok := req.BasicAuth(); !ok || user != "me" || pass != "hunter2" {
					challenge(w, `Basic realm="x"`)
					return
				}
				http.Redirect(w, req, elsewhere.URL+"/blob", http.StatusTemporaryRedirect)
			})
			err := buildFetch(t, Config{}, registry.host())
			if (err == nil) != (name == "that takes what comes") {
				t.Errorf("got %v", err)
			}
			if len(elsewhere.seen) == 0 {
				t.Fatal("was not redirected")
			}
			for i, h := range elsewhere.seen {
				if h.Get("Authorization") != "" || h.Get("Cookie") != "" || h.Get("Referer") != "" {
					t.Errorf("%s was sent %v", elsewhere.path[i], h)
				}
			}
			if len(thief.seen) > 0 {
				t.Error("the thief was asked")
			}
		})
	}
}

func challenge(w http.ResponseWriter, c string) {
	w.Header().Set("WWW-Authenticate", c)
	w.WriteHeader(http.StatusUnauthorized)
}

func TestABuildPushes(t *testing.T) {
	push := func(t *testing.T, host string) error {
		t.Helper()
		p, err := building(t, Config{}, host, true).Pusher(t.Context(), host+"/app:v1")
		if err != nil {
			t.Fatal(err)
		}
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Size: 4, Digest: digest.FromString("blob")}
		w, err := p.Push(t.Context(), d)
		if err != nil {
			return err
		}
		defer func() { _ = w.Close() }()
		return content.Copy(t.Context(), w, strings.NewReader("blob"), d.Size, d.Digest)
	}
	// uploads takes a blob at the place that it has named.
	uploads := func(location func() string, got *string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			switch req.Method {
			case http.MethodPost:
				w.Header().Set("Location", location()+"/uploads/1")
				w.WriteHeader(http.StatusAccepted)
			case http.MethodPut:
				b, _ := io.ReadAll(req.Body)
				*got = string(b)
				w.Header().Set("Docker-Content-Digest", digest.FromBytes(b).String())
				w.WriteHeader(http.StatusCreated)
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		}
	}
	t.Run("to the registry, with a token", func(t *testing.T) {
		var got string
		server := record(t, givesToken)
		registry := record(t, asking(at(server.URL+"/token"), uploads(at(""), &got)))
		if err := push(t, registry.host()); err != nil || got != "blob" {
			t.Errorf("%v, it got %q", err, got)
		}
	})
	t.Run("not to where that sends it", func(t *testing.T) {
		var got string
		elsewhere := record(t, uploads(at(""), &got))
		registry := record(t, uploads(at(elsewhere.URL), &got))
		if err := push(t, registry.host()); !errors.Is(err, errElsewhere) || len(elsewhere.seen) > 0 {
			t.Errorf("%v, it got %q", err, got)
		}
	})
}

func TestWhoNamedATokenServer(t *testing.T) {
	g := &guided{visit: &visit{}, realms: map[string][]endpoint{}}
	one := endpoint{url: url.URL{Scheme: "https", Host: "one"}}
	two := endpoint{url: url.URL{Scheme: "http", Host: "two"}, loose: true}
	bearer := func(realm string) http.Header {
		return http.Header{"Www-Authenticate": {`Bearer realm="` + realm + `",service="x"`, `Basic realm="http://basic/"`}}
	}
	for range 2 {
		g.note(one, bearer("https://auth/token?a=b"))
		g.note(two, bearer("https://AUTH/token"))
	}
	for n := range 100 {
		g.note(two, bearer("https://auth/"+strings.Repeat("x", n)))
	}
	named := func(u string) int {
		t.Helper()
		req := httptest.NewRequest(http.MethodGet, u, nil)
		return len(g.namedBy(req.URL))
	}
	for u, want := range map[string]int{
		"https://auth/token?scope=x": 2, "https://auth/x": 1, "http://auth/token": 0, "https://auth/token/": 0,
		"http://basic/": 0, "https://auth/" + strings.Repeat("x", 99): 0,
	} {
		if got := named(u); got != want {
			t.Errorf("%s was named by %d", u, got)
		}
	}
}

func TestSilenceEndsATokensBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer func() { _ = w.Close() }()
		tr := &tokens{idle: time.Second, next: roundTrip(func(req *http.Request) (*http.Response, error) {
			context.AfterFunc(req.Context(), func() { _ = r.CloseWithError(context.Canceled) })
			return &http.Response{StatusCode: http.StatusOK, Body: r}, nil
		})}
		resp, err := tr.RoundTrip(httptest.NewRequest(http.MethodGet, "https://auth/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := resp.Body.Read(make([]byte, 1)); !Temporary(err) || err.Error() != "nothing came for 1s" {
			t.Errorf("got %v", err)
		}
	})
}
