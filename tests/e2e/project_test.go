package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tiffin/tests/harness"
)

// sample is a tiffin in the folder of a sample, with its programs built, the images of others within reach, and the published
// port that the sample's variable moves.
func sample(t *testing.T, name, portVariable string) (e *harness.Tiffin, page string) {
	t.Helper()
	e = harness.New(t)
	e.Mirror(t, harness.Registry(t))
	port := freePort(t)
	e.Env[portVariable] = port
	e.Dir = filepath.Join(harness.Repository(), "samples", name)
	if out, err := exec.Command(filepath.Join(harness.Repository(), "samples", "programs"), name).CombinedOutput(); err != nil {
		t.Fatalf("samples/programs %s: %v\n%s", name, err, out)
	}
	e.OK(t, "pull", "--ignore-buildable", "--policy", "missing")
	e.OK(t, "build")
	return e, "http://127.0.0.1:" + port + "/"
}

// freePort is a port that nobody has at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// client fails when it has no answer soon: a connection that is taken and then forgotten must not hang the test.
func client() *http.Client { return &http.Client{Timeout: 5 * time.Second} }

// answers waits until a page is there.
func answers(t *testing.T, url string) {
	t.Helper()
	harness.Until(t, 5*time.Second, url+" answers", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		resp, err := client().Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// browse fetches a page and wants some text on it.
func browse(t *testing.T, url, want string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, req, want)
}

// submit sends a form and wants some text on the page that comes back.
func submit(t *testing.T, url, form, want string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	send(t, req, want)
}

func send(t *testing.T, req *http.Request, want string) {
	t.Helper()
	req.Close = true // the next project may have the same port
	resp, err := client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		t.Fatalf("%s %s: %s, want %q on the page:\n%s", req.Method, req.URL, resp.Status, want, body)
	}
}

// states are what `ps` says of each service: "running healthy", "exited (0)".
func states(t *testing.T, e *harness.Tiffin) map[string]string {
	t.Helper()
	all := map[string]string{}
	dec := json.NewDecoder(strings.NewReader(e.OK(t, "ps", "-a", "--format", "json")))
	for dec.More() {
		var c struct {
			Service, State, Health string
			ExitCode               int
		}
		if err := dec.Decode(&c); err != nil {
			t.Fatalf("read what ps prints: %v", err)
		}
		all[c.Service] = strings.TrimSpace(c.State + " " + c.Health)
		if c.State == "exited" {
			all[c.Service] += " " + strconv.Itoa(c.ExitCode)
		}
	}
	return all
}
