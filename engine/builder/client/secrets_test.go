package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/secrets"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"tiffin/engine"
	"tiffin/engine/call"
)

func environment(values map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) { v, ok := values[key]; return v, ok }
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"token": "of a file", "big": strings.Repeat("x", 500<<10+1)})
	env := environment(map[string]string{"TOKEN": "of the environment"})
	cases := map[string]struct {
		secret    engine.BuildSecret
		want, err string
	}{
		"a file":                   {engine.BuildSecret{File: dir + "/token"}, "of a file", ""},
		"a variable":               {engine.BuildSecret{Env: "TOKEN"}, "of the environment", ""},
		"a text":                   {engine.BuildSecret{Content: new("said")}, "said", ""},
		"an empty text":            {engine.BuildSecret{Content: new("")}, "", ""},
		"a file that is missing":   {engine.BuildSecret{File: dir + "/no"}, "", "secret s: there is no file DIR/no"},
		"a folder":                 {engine.BuildSecret{File: dir}, "", "secret s: DIR is a folder"},
		"a variable that is unset": {engine.BuildSecret{Env: "NO"}, "", "secret s: the variable NO is not set"},
		"a file that is too big": {
			engine.BuildSecret{File: dir + "/big"}, "", "secret s: it has 512001 bytes, at most 500 KiB can be given to a build",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.secret.ID = "s"
			list := []engine.BuildSecret{{ID: "other", Content: new("x")}, c.secret}
			_, err := newSecrets(list, env)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if got != c.err {
				t.Fatalf("got  %s\nwant %s", got, c.err)
			}
			if c.err != "" {
				return
			}
			text, err := (&secretStore{list, env}).GetSecret(t.Context(), "s")
			if err != nil || string(text) != c.want {
				t.Errorf("got %q, %v, want %q", text, err, c.want)
			}
		})
	}
}

func TestASecretThatNobodyGivesIsNotFound(t *testing.T) {
	t.Parallel()
	if _, err := (&secretStore{}).GetSecret(t.Context(), "x"); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestParseSSH(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"default":    "{default []}",
		"github=a,b": "{github [a b]}",
		"":           "error",
		"=a":         "error",
		"default=":   "error",
	} {
		s, err := ParseSSH(text)
		got := fmt.Sprint(s)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestSSH(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "agent")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody connects
	agent := environment(map[string]string{"SSH_AUTH_SOCK": socket})
	if s, err := newSSH(nil, nil, environment(nil)); s != nil || err != nil {
		t.Errorf("nobody asks for ssh, and there is %v, %v", s, err)
	}
	if s, err := newSSH([]engine.BuildSSH{{ID: "default"}}, nil, agent); s == nil || err != nil {
		t.Errorf("an agent is forwarded: %v, %v", s, err)
	}
	// The command line's key stands in for the agent of the file.
	_, err = newSSH([]engine.BuildSSH{{ID: "default"}}, []engine.BuildSSH{{ID: "default", Paths: []string{"/no/key"}}}, agent)
	if err == nil || err.Error() != "ssh default: stat /no/key: no such file or directory" {
		t.Errorf("got %v", err)
	}
	_, err = newSSH([]engine.BuildSSH{{ID: "default"}}, nil, environment(nil))
	if err == nil || err.Error() != "ssh default: no agent runs: SSH_AUTH_SOCK is not set" || !strings.Contains(engine.HintOf(err), "--ssh default=PATH") {
		t.Errorf("got %v, %s", err, engine.HintOf(err))
	}
}

func TestLoginsAreAskedForByTheNamesOfImages(t *testing.T) {
	t.Parallel()
	var asked []string
	l := &logins{find: func(_ context.Context, registry string) (call.RegistryAuth, error) {
		asked = append(asked, registry)
		switch registry {
		case "docker.io":
			return call.RegistryAuth{Username: "me", Password: "secret"}, nil
		case "token.example":
			return call.RegistryAuth{IdentityToken: "token"}, nil
		default:
			return call.RegistryAuth{}, nil
		}
	}}
	for host, want := range map[string][2]string{
		"registry-1.docker.io": {"me", "secret"}, "token.example": {"", "token"}, "reg.example:5000": {},
	} {
		got, err := l.Credentials(t.Context(), &auth.CredentialsRequest{Host: host})
		if err != nil || got.GetUsername() != want[0] || got.GetSecret() != want[1] {
			t.Errorf("%s: %v, %v", host, got, err)
		}
	}
	slices.Sort(asked)
	if got := strings.Join(asked, " "); got != "docker.io reg.example:5000 token.example" {
		t.Errorf("asked for %s", got)
	}
}

// A token is fetched where the answers of registries are guarded: in the engine.
func TestTheCallerFetchesNoTokens(t *testing.T) {
	t.Parallel()
	l := &logins{}
	if _, err := l.FetchToken(t.Context(), &auth.FetchTokenRequest{Realm: "https://elsewhere.example"}); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
	if _, err := l.GetTokenAuthority(t.Context(), &auth.GetTokenAuthorityRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
}
