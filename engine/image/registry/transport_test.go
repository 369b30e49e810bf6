package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine/call"
)

func TestRetry(t *testing.T) {
	cases := map[string]struct {
		answer    answer
		err       error
		n         int
		again     bool
		low, high time.Duration
	}{
		"success":                        {answer{code: 200}, nil, 1, false, 0, 0},
		"not there":                      {answer{code: 404}, nil, 1, false, 0, 0},
		"not allowed":                    {answer{code: 401}, nil, 1, false, 0, 0},
		"an error of the server":         {answer{code: 500}, nil, 1, true, 250 * time.Millisecond, 375 * time.Millisecond},
		"the pause doubles":              {answer{code: 502}, nil, 4, true, 2 * time.Second, 3 * time.Second},
		"it says when":                   {answer{429, "7"}, nil, 1, true, 7 * time.Second, 7 * time.Second},
		"it says when, too late":         {answer{503, "86400"}, nil, 1, true, time.Minute, time.Minute},
		"it says nonsense":               {answer{503, "soon"}, nil, 1, true, 250 * time.Millisecond, 375 * time.Millisecond},
		"it says a time that has passed": {answer{503, "Mon, 02 Jan 2006 15:04:05 GMT"}, nil, 1, true, 250 * time.Millisecond, 375 * time.Millisecond},
		"a lost connection":              {answer{}, fmt.Errorf("read: %w", syscall.ECONNRESET), 1, true, 250 * time.Millisecond, 375 * time.Millisecond},
		"the caller gave up":             {answer{}, context.Canceled, 1, false, 0, 0},
		"an error that stays":            {answer{}, errors.New("x509: unknown authority"), 1, false, 0, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pause, again := retry(c.answer, c.err, c.n)
			if again != c.again || (again && (pause < c.low || pause > c.high)) {
				t.Errorf("got %v after %s", again, pause)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// try sends a request and takes nothing but its end.
func (p *patient) try(req *http.Request) error {
	resp, err := p.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func newVisit(t *testing.T, c Config) *visit {
	t.Helper()
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &visit{client: client}
}

func TestPatience(t *testing.T) {
	t.Run("five tries, with growing pauses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			p := &patient{newVisit(t, Config{}), roundTrip(func(*http.Request) (*http.Response, error) {
				n++
				return &http.Response{StatusCode: http.StatusInternalServerError, Status: "500 X", Body: http.NoBody}, nil
			})}
			begun := time.Now()
			err := p.try(httptest.NewRequest(http.MethodGet, "http://r/v2/", nil))
			var status *StatusError
			if !errors.As(err, &status) || n != 5 || err.Error() != "500 X, 5 times" {
				t.Errorf("got %v after %d", err, n)
			}
			if d := time.Since(begun); d < 3750*time.Millisecond || d > 6*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	})
	t.Run("the caller's end ends it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &patient{newVisit(t, Config{}), roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"50"}}, Body: http.NoBody}, nil
			})}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := p.try(httptest.NewRequest(http.MethodGet, "http://r/v2/", nil).WithContext(ctx))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("what has a body is sent once", func(t *testing.T) {
		n := 0
		p := &patient{newVisit(t, Config{}), roundTrip(func(*http.Request) (*http.Response, error) {
			n++
			return &http.Response{StatusCode: http.StatusInternalServerError, Body: http.NoBody}, nil
		})}
		if err := p.try(httptest.NewRequest(http.MethodPost, "http://r/v2/", strings.NewReader("x"))); err != nil || n != 1 {
			t.Errorf("%d times, %v", n, err)
		}
	})
	t.Run("a host that never answered is given up at once", func(t *testing.T) {
		n := 0
		refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		p := &patient{newVisit(t, Config{}), roundTrip(func(*http.Request) (*http.Response, error) { n++; return nil, refused })}
		if err := p.try(httptest.NewRequest(http.MethodGet, "http://r/v2/", nil)); !errors.Is(err, refused) || n != 1 {
			t.Errorf("%d times, %v", n, err)
		}
	})
	t.Run("silence ends a body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, w := io.Pipe()
			defer func() { _ = w.Close() }()
			p := &patient{newVisit(t, Config{Idle: time.Second}), roundTrip(func(req *http.Request) (*http.Response, error) {
				stop := context.AfterFunc(req.Context(), func() { _ = r.CloseWithError(context.Canceled) })
				t.Cleanup(func() { stop() })
				return &http.Response{StatusCode: http.StatusOK, Body: r}, nil
			})}
			resp, err := p.RoundTrip(httptest.NewRequest(http.MethodGet, "http://r/v2/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			go func() { _, _ = w.Write([]byte("ab")) }()
			b := make([]byte, 2)
			if _, err := io.ReadFull(resp.Body, b); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // our own slowness is not silence
			_, err = resp.Body.Read(b)
			if !Temporary(err) || err.Error() != "nothing came for 1s" {
				t.Errorf("got %v", err)
			}
		})
	})
}

// recorder is a server that remembers what it was sent.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	seen []http.Header
	path []string
}

func record(t *testing.T, f http.HandlerFunc) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.seen, r.path = append(r.seen, req.Header.Clone()), append(r.path, req.URL.Path)
		r.mu.Unlock()
		f(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) host() string { return strings.TrimPrefix(r.URL, "http://") }

var secret = Auth(func(string) (call.RegistryAuth, error) {
	return call.RegistryAuth{Username: "me", Password: "hunter2"}, nil
})

// A blob's redirect to another port of the same host must not take the password along, nor may whoever is there
// get it by asking.
func TestARedirectGetsNoCredentials(t *testing.T) {
	for name, evil := range map[string]http.HandlerFunc{
		"that takes what comes": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "blob") },
		"that asks for a password": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
		"that asks for a token": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := record(t, evil)
			registry := record(t, func(w http.ResponseWriter, req *http.Request) {
				if user, pass, ok := req.BasicAuth(); !ok || user != "me" || pass != "hunter2" {
					w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				http.Redirect(w, req, elsewhere.URL+"/blob", http.StatusTemporaryRedirect)
			})
			if err := fetch(t, registry.host(), secret); err != nil {
				t.Log(err)
			}
			if len(elsewhere.seen) == 0 {
				t.Fatal("was not redirected")
			}
			for i, h := range elsewhere.seen {
				if h.Get("Authorization") != "" || h.Get("Cookie") != "" || h.Get("Referer") != "" {
					t.Errorf("%s was sent %v", elsewhere.path[i], h)
				}
			}
		})
	}
}

// fetch asks a registry for some blob, as a pull does, and reads what comes.
func fetch(t *testing.T, host string, auth Auth) error {
	t.Helper()
	v := newVisit(t, Config{})
	f, err := v.client.Resolver(auth).Fetcher(t.Context(), host+"/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	rc, err := f.Fetch(t.Context(), ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageLayer, Size: 4,
		Digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	})
	if err != nil {
		return err
	}
	defer func() { _ = rc.Close() }()
	_, err = io.ReadAll(rc)
	return err
}

func TestTokenServers(t *testing.T) {
	asks := func(realm string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Authorization") == "Bearer good" {
				_, _ = io.WriteString(w, "blob")
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	t.Run("the one that the registry names gives a token", func(t *testing.T) {
		server := record(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"access_token":"good","token":"good"}`)
		})
		registry := record(t, asks(server.URL+"/token"))
		if err := fetch(t, registry.host(), secret); err != nil {
			t.Error(err)
		}
	})
	t.Run("an answer without end is cut off", func(t *testing.T) {
		server := record(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"token":"`)
			for b := bytes.Repeat([]byte("a"), 64<<10); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		})
		registry := record(t, asks(server.URL+"/token"))
		if err := fetch(t, registry.host(), secret); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one that redirects elsewhere is refused", func(t *testing.T) {
		thief := record(t, func(http.ResponseWriter, *http.Request) {})
		server := record(t, func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, thief.URL, http.StatusTemporaryRedirect)
		})
		registry := record(t, asks(server.URL+"/token"))
		if err := fetch(t, registry.host(), secret); !errors.Is(err, ErrRealm) {
			t.Errorf("got %v", err)
		}
		if len(thief.seen) > 0 {
			t.Error("the thief was asked")
		}
	})
	t.Run("one without TLS that is somewhere else is refused", func(t *testing.T) {
		registry := record(t, asks("http://auth.example.com/token"))
		if err := fetch(t, registry.host(), secret); !errors.Is(err, ErrRealm) {
			t.Errorf("got %v", err)
		}
	})
}
