package registry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

// guarded is a registry that knows one user, and has three tags on two pages.
func guarded(t *testing.T) (host string, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		*asked = append(*asked, r.URL.RequestURI())
		switch {
		case r.URL.Path == "/v2/":
		case r.URL.Path != "/v2/a/b/tags/list":
			w.WriteHeader(http.StatusNotFound)
		case r.URL.Query().Get("last") == "":
			w.Header().Set("Link", `</v2/a/b/tags/list?last=2>; rel="next"`)
			_, _ = w.Write([]byte(`{"tags":["1","2"]}`))
		default:
			_, _ = w.Write([]byte(`{"tags":["3"]}`))
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), asked
}

func TestLoginIsTriedAtTheRegistry(t *testing.T) {
	t.Parallel()
	host, _ := guarded(t)
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, tc := range map[string]struct {
		host string
		auth call.RegistryAuth
		want error
	}{
		"right":        {host, call.RegistryAuth{Username: "me", Password: "right"}, nil},
		"wrong":        {host, call.RegistryAuth{Username: "me", Password: "wrong"}, engine.ErrDenied},
		"none":         {host, call.RegistryAuth{}, engine.ErrDenied},
		"nobody there": {"127.0.0.1:1", call.RegistryAuth{Username: "me", Password: "right"}, engine.ErrUnavailable},
	} {
		if _, err := c.Login(t.Context(), tc.host, tc.auth); !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// A registry with a token server may give a token that stands for the password from then on.
func TestLoginBringsAnIdentityToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		gives string // the token server
		auth  call.RegistryAuth
		want  string
	}{
		"given for a password": {"fresh", call.RegistryAuth{Username: "me", Password: "right"}, "fresh"},
		"none given":           {"", call.RegistryAuth{Username: "me", Password: "right"}, ""},
		"the same again":       {"", call.RegistryAuth{IdentityToken: "fresh"}, "fresh"},
		"wrong password":       {"fresh", call.RegistryAuth{Username: "me", Password: "wrong"}, "denied"},
	} {
		host := withTokens(t, tc.gives)
		c, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Login(t.Context(), host, tc.auth)
		c.Close()
		switch {
		case errors.Is(err, engine.ErrDenied):
			got = "denied"
		case err != nil:
			t.Errorf("%s: %v", name, err)
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// withTokens is a registry whose token server knows one user.
func withTokens(t *testing.T, refresh string) (host string) {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer let-in" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		good := r.PostFormValue("password") == "right" || r.PostFormValue("refresh_token") == "fresh"
		if r.Method != http.MethodPost || !good {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer := `{"access_token":"let-in"`
		if refresh != "" && r.PostFormValue("access_type") == "offline" {
			answer += `,"refresh_token":"` + refresh + `"`
		}
		_, _ = w.Write([]byte(answer + "}"))
	})
	return strings.TrimPrefix(s.URL, "http://")
}

func TestTagsOfAllPages(t *testing.T) {
	t.Parallel()
	host, asked := guarded(t)
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	auth := func(string) (call.RegistryAuth, error) {
		return call.RegistryAuth{Username: "me", Password: "right"}, nil
	}
	tags, err := c.Tags(context.Background(), host, "a/b", auth)
	if d := cmp.Diff([]string{"1", "2", "3"}, tags); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if d := cmp.Diff([]string{"/v2/a/b/tags/list", "/v2/a/b/tags/list?last=2"}, *asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	if _, err := c.Tags(t.Context(), host, "no/such", auth); !errors.Is(Pull.Explain("no/such", host, err), engine.ErrNotFound) {
		t.Errorf("no such repository: %v", err)
	}
}

func TestNextPage(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"": "", `</v2/a?last=1>; rel="next"`: "/v2/a?last=1", `</x>; rel="prev"`: "", "</x": "",
	} {
		if got := nextPage(link); got != want {
			t.Errorf("%q: %q, want %q", link, got, want)
		}
	}
}
