package image

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/tests/images"
)

// upload puts an image of the shelf's into a real registry.
func upload(t *testing.T, r *shelf, host, name string) {
	t.Helper()
	repository, tag, _ := strings.Cut(name, ":")
	send := func(method, url, mediaType string, body []byte) (location string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", mediaType)
		req.SetBasicAuth("tester", "secret")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode > 299 {
			t.Fatalf("%s %s: %s", method, url, resp.Status)
		}
		return resp.Header.Get("Location")
	}
	d := r.tags[name]
	base := "http://" + host + "/v2/" + repository
	for digest, b := range r.blobs {
		if digest == d {
			continue
		}
		at := send(http.MethodPost, base+"/blobs/uploads/", "", nil)
		if strings.HasPrefix(at, "/") {
			at = "http://" + host + at
		}
		send(http.MethodPut, at+"&digest="+digest.String(), "application/octet-stream", b)
	}
	send(http.MethodPut, base+"/manifests/"+tag, r.types[d], r.blobs[d])
}

func TestPullFromARealRegistry(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("docker-registry is not installed")
	}
	// The user tester with the password secret, hashed with bcrypt.
	users := filepath.Join(t.TempDir(), "users")
	const tester = "tester:$2b$04$9SeGJawnzSHfOMFS3gkjMeVtJsm5xYewwuL4d0nv9vcQsfoEnxpsy\n"
	if err := os.WriteFile(users, []byte(tester), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newShelf(t)
	r.push(t, "app:v1", img{layers: []map[string]string{big(t), {"b": "b"}}})
	for name, options := range map[string]images.RegistryOptions{"open to all": {}, "with users": {Htpasswd: users}} {
		t.Run(name, func(t *testing.T) {
			real := serve(t, t.TempDir(), options)
			upload(t, r, real.Addr, "app:v1")
			s, err := Open(t.Context(), Config{Root: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			asked := ""
			login := func(host string) (call.RegistryAuth, error) {
				asked = host
				return call.RegistryAuth{Username: "tester", Password: "secret"}, nil
			}
			i, err := s.Pull(t.Context(), real.Addr+"/app:v1", PullOptions{Auth: login}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if asked != real.Addr {
				t.Errorf("credentials were asked for %q", asked)
			}
			if got := files(t, s, i.ID); got["b"] != "b" || got["big"] != big(t)["big"] {
				t.Errorf("%d files", len(got))
			}
			if err := s.Tag(t.Context(), i.ID, real.Addr+"/copy:v2"); err != nil {
				t.Fatal(err)
			}
			if err := s.Push(t.Context(), real.Addr+"/copy:v2", login, nil); err != nil {
				t.Fatal(err)
			}
			copied, err := s.Pull(t.Context(), real.Addr+"/copy:v2", PullOptions{Auth: login}, nil)
			if err != nil || copied.ID != i.ID {
				t.Errorf("what was pushed is %q, want %q: %v", copied.ID, i.ID, err)
			}
			if options.Htpasswd == "" {
				return
			}
			if err := s.Push(t.Context(), real.Addr+"/copy:v2", nil, nil); !errors.Is(err, engine.ErrDenied) || !strings.Contains(err.Error(), "may not be pushed") {
				t.Errorf("pushed without a password: %v", err)
			}
			_, err = s.Pull(t.Context(), real.Addr+"/app:v1", PullOptions{}, nil)
			if !errors.Is(err, engine.ErrDenied) || engine.HintOf(err) != "check the name, or log in: docker login "+real.Addr+" (~/.docker/config.json is read)" {
				t.Errorf("without a password: %v, %s", err, engine.HintOf(err))
			}
		})
	}
}

// TestAKilledPullIsResumed runs itself as the engine that is killed.
func TestAKilledPullIsResumed(t *testing.T) {
	needRoot(t)
	const nameVar, rootVar = "TIFFIN_TEST_PULL", "TIFFIN_TEST_ROOT"
	if name := os.Getenv(nameVar); name != "" {
		s, err := Open(t.Context(), Config{Root: os.Getenv(rootVar)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Pull(t.Context(), name, PullOptions{}, nil)
		t.Fatalf("was not killed: %v", err)
	}
	r := newShelf(t)
	d := r.push(t, "app:v1", img{layers: []map[string]string{{"a": "a"}, big(t)}, plain: true})
	layer := r.manifest(t, d).Layers[1].Digest.String()
	ranges := make(chan string, 10)
	r.script(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, layer) {
			return false
		}
		if rng := req.Header.Get("Range"); rng != "" {
			ranges <- rng
			return false
		}
		b := r.blob(req.URL.Path)
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b[:5<<19])
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
		return true
	})
	root := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAKilledPullIsResumed$")
	cmd.Env = append(os.Environ(), nameVar+"="+r.host()+"/app:v1", rootVar+"="+root)
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return ingested(t, root) >= 2<<20 })
	if err := cmd.Process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s := open(t, root)
	nothingHere(t, s)
	// What is under way is not garbage.
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	i, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-ranges:
		if got != "bytes=2097152-" {
			t.Errorf("resumed at %s", got)
		}
	default:
		t.Error("fetched from the beginning")
	}
	if got := files(t, s, i.ID); got["a"] != "a" || got["big"] != big(t)["big"] {
		t.Errorf("%d files", len(got))
	}
}
