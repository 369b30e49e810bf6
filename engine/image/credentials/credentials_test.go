package credentials

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

// home makes a docker configuration and helpers, and makes them the process' own.
func home(t *testing.T, file string, helpers map[string]string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, script := range helpers {
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config.SetDir(dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestAll(t *testing.T) {
	// The words in base64 are me:secret.
	home(t, `{
		"auths": {
			"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"},
			"ghcr.io": {"auth": "bWU6c2VjcmV0"},
			"token.example.com": {"identitytoken": "abc"}
		},
		"credHelpers": {"ecr.example.com": "ecr", "none.example.com": "none", "sick.example.com": "sick", "gone.example.com": "gone"}
	}`, map[string]string{
		"ecr":  `read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"<token>\",\"Secret\":\"for $server\"}"`,
		"none": `echo "credentials not found in native keychain"; exit 1`,
		"sick": `echo "the keyring is locked" >&2; exit 1`,
	})
	got, err := All(t.Context(), []string{
		"docker.io", "ghcr.io", "quay.io", "token.example.com", "ecr.example.com", "none.example.com", "sick.example.com", "gone.example.com",
	})
	want := map[string]call.RegistryAuth{
		"docker.io": {Username: "me", Password: "secret"}, "ghcr.io": {Username: "me", Password: "secret"},
		"token.example.com": {IdentityToken: "abc"}, "ecr.example.com": {IdentityToken: "for ecr.example.com"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, text := range []string{"login for registry sick.example.com: docker-credential-sick:", "the keyring is locked", "login for registry gone.example.com: "} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in: %v", text, err)
		}
	}
}

func TestAStoreForAll(t *testing.T) {
	home(t, `{"auths": {"ghcr.io": {}}, "credsStore": "safe"}`, map[string]string{
		"safe": `read server; echo "{\"Username\":\"me\",\"Secret\":\"$server\"}"`,
	})
	got, err := Lookup(t.Context(), "docker.io")
	if err != nil || got != (call.RegistryAuth{Username: "me", Password: "https://index.docker.io/v1/"}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestABrokenConfigurationIsAnError(t *testing.T) {
	home(t, `{"auths": `, nil)
	if _, err := Lookup(t.Context(), "docker.io"); err == nil || !strings.Contains(err.Error(), "docker's configuration") {
		t.Errorf("got %v", err)
	}
}

func TestRegistry(t *testing.T) {
	for image, want := range map[string]string{
		"nginx": "docker.io", "a/b:c": "docker.io", "ghcr.io/a/b": "ghcr.io", "localhost:5000/x": "localhost:5000", "127.0.0.1/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": "127.0.0.1",
	} {
		if got, err := Registry(image); err != nil || got != want {
			t.Errorf("%s: %s %v", image, got, err)
		}
	}
	if _, err := Registry("UPPER"); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
