package docker

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/docker/filter"
)

// harmless is an engine that does whatever it is asked, at once.
type harmless struct{ measured }

func (h *harmless) Inspect(context.Context, string) (engine.Container, error) { return h.record, nil }
func (h *harmless) Image(context.Context, string) (engine.Image, error)       { return h.image, nil }
func (h *harmless) Adjust(context.Context, string, *call.Change) ([]string, error) {
	return nil, nil
}

func (h *harmless) Commit(context.Context, *call.CommitRequest) (engine.Image, error) {
	return h.image, nil
}

func (h *harmless) ImageFor(context.Context, string, string) (engine.Image, error) {
	return h.image, nil
}

func (h *harmless) ImageDetails(context.Context, string, string) (call.ImageDetails, error) {
	return call.ImageDetails{}, nil
}

func (h *harmless) RemoteImage(context.Context, string, map[string]call.RegistryAuth) (call.RemoteImage, error) {
	return call.RemoteImage{}, nil
}

func (h *harmless) RemoteTags(context.Context, string, map[string]call.RegistryAuth) ([]string, error) {
	return nil, nil
}

func (h *harmless) Login(context.Context, string, call.RegistryAuth) (string, error) {
	return "", nil
}

func (h *harmless) Import(context.Context, io.Reader, *call.ImportRequest) (engine.Image, error) {
	return h.image, nil
}
func (h *harmless) Publish(engine.Event) {}
func (h *harmless) Networks(context.Context) ([]engine.Network, error) {
	return []engine.Network{{ID: "n"}}, nil
}

func (h *harmless) CreateNetwork(context.Context, *engine.NetworkSpec) (engine.Network, error) {
	return engine.Network{ID: "n"}, nil
}

func (h *harmless) ConnectNetwork(context.Context, string, string, *engine.EndpointSpec) error {
	return nil
}

func (h *harmless) DisconnectNetwork(context.Context, string, string, call.ForceRemove) error {
	return nil
}
func (h *harmless) RemoveNetwork(context.Context, string) error { return nil }
func (h *harmless) Volumes(context.Context) ([]engine.Volume, error) {
	return []engine.Volume{{}}, nil
}

func (h *harmless) CreateVolume(context.Context, *engine.VolumeSpec) (engine.Volume, error) {
	return engine.Volume{}, nil
}
func (h *harmless) RemoveVolume(context.Context, string) error               { return nil }
func (h *harmless) Remove(context.Context, string, call.RemoveOptions) error { return nil }
func (h *harmless) Images(context.Context) ([]engine.Image, error) {
	return []engine.Image{h.image}, nil
}
func (h *harmless) TagImage(context.Context, string, string) error { return nil }
func (h *harmless) SentFor(context.Context, string, string) (ocispec.Descriptor, error) {
	return ocispec.Descriptor{}, nil
}

func (h *harmless) PushPlatform(context.Context, string, string, map[string]call.RegistryAuth, engine.Report) error {
	return nil
}

func (h *harmless) PullImage(context.Context, string, string, map[string]call.RegistryAuth, engine.Report) (engine.Image, error) {
	return h.image, nil
}

func (h *harmless) RemoveImage(context.Context, string, call.ForceRemove) ([]string, error) {
	return nil, nil
}

// bodies are the calls that read JSON.
var bodies = []string{
	"/containers/create", "/containers/c0ffee/exec", "/exec/x/start", "/containers/c0ffee/update", "/networks/create", "/networks/n/connect",
	"/networks/n/disconnect", "/volumes/create", "/commit", "/auth",
}

// FuzzBodies sends bodies: none is an error of the engine's own, which would be a bug of it.
func FuzzBodies(f *testing.F) {
	for i := range bodies {
		for _, body := range []string{
			``, `null`, `{}`, `[]`, `{"Image":"x","Cmd":["a"],"HostConfig":{"Binds":["a:/b:ro"],"PortBindings":{"80/tcp":[{"HostPort":"1"}]}}}`,
			`{"Cmd":["a"],"ConsoleSize":[1,2],"Env":["A"]}`, `{"Memory":1,"RestartPolicy":{"Name":"always"}}`,
			`{"Name":"n","Driver":"bridge","IPAM":{"Config":[{"Subnet":"10.0.0.0/8","Gateway":"10.0.0.1","AuxiliaryAddresses":{"a":"10.0.0.2"}}]},"Options":{"a":"b"}}`,
			`{"Container":"c","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.0.0.3"},"Links":["a:b"]},"Force":true}`,
			`{"Name":"v","Driver":"local","DriverOpts":{"type":"nfs"},"Labels":{"a":"b"}}`,
		} {
			f.Add(uint8(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		answered(t, http.MethodPost, bodies[int(which)%len(bodies)], body, "")
	})
}

// queries are the calls that read filters, times and numbers.
var queries = []string{
	"GET /containers/json", "POST /containers/prune", "GET /images/json", "POST /images/prune", "GET /networks", "POST /networks/prune",
	"GET /volumes", "POST /volumes/prune", "GET /system/df",
}

// FuzzQueries sends queries.
func FuzzQueries(f *testing.F) {
	for i := range queries {
		for _, q := range []string{
			`filters={"label":["a=b"]}`, `filters={"label":{"a":true},"until":{"24h":true}}`, `filters={"name":{"(":true},"publish":{"1-2/tcp":true}}`,
			`filters=null`, `filters=[]`, `limit=-1&all=1&size=yes`, `filters={"dangling":["maybe"]}`, `filters={"health":["x"],"exited":["-1"]}`,
		} {
			f.Add(uint8(i), q)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		method, path, _ := strings.Cut(queries[int(which)%len(queries)], " ")
		if types := values["type"]; path == "/system/df" && (len(types) == 0 || slices.Contains(types, "build-cache")) {
			values.Set("type", "volume") // there is no builder here
		}
		answered(t, method, path+"?"+values.Encode(), "", "")
	})
}

// FuzzAuth sends logins for registries.
func FuzzAuth(f *testing.F) {
	for _, auth := range []string{"", "e30=", "e30", "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifQ==", "bnVsbA==", "W10=", "%%", "eyJpZGVudGl0eXRva2VuIjoxfQ"} {
		f.Add(auth, "nginx:1")
	}
	f.Fuzz(func(t *testing.T, auth, image string) {
		if strings.ContainsFunc(auth, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // no header has it
		}
		answered(t, http.MethodPost, "/images/create?"+url.Values{"fromImage": {image}}.Encode(), "", auth)
		answered(t, http.MethodGet, "/distribution/"+url.PathEscape(image)+"/json", "", auth)
	})
}

// answered makes a call, and wants an answer that is no failure of the server.
func answered(t *testing.T, method, target, body, auth string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if auth != "" {
		r.Header.Set("X-Registry-Auth", auth)
	}
	w := httptest.NewRecorder()
	b := &harmless{*oneContainer()}
	New(Config{Log: slog.New(slog.DiscardHandler), Closing: t.Context()}, b).ServeHTTP(w, r)
	if w.Code == http.StatusInternalServerError {
		t.Errorf("%s %s: %s", method, target, w.Body)
	}
}

// FuzzFilter reads filters.
func FuzzFilter(f *testing.F) {
	for _, text := range []string{``, `{}`, `null`, `{"label":{"a=b":true}}`, `{"label":["a","b=c"]}`, `{"name":[""]}`, `{"name":{"[":false}}`, `{"x":1}`} {
		f.Add(text, "a")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		args, err := filter.Parse(text, "label", "label!", "name")
		if err != nil {
			if statusOf(err) != http.StatusBadRequest {
				t.Errorf("%v", err)
			}
			return
		}
		_ = args.Matches("name", value) && args.Prefix("name", value) && args.Labels(map[string]string{value: value}) && args.Any("name", value)
		_, _ = args.Bool("name", true)
	})
}

// Paths that lead up or are written in strange ways find no other call.
func TestStrangePaths(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]int{
		"/v1.44/containers/../containers/json": http.StatusTemporaryRedirect,
		"/v1.44//containers/json":              http.StatusTemporaryRedirect,
		"/containers/%2e%2e%2f%2e%2e/json":     http.StatusNotFound,
		"/containers/..%2fweb/json":            http.StatusNotFound,
		"/v1.44/v1.44/containers/json":         http.StatusNotFound,
		"/v2.44/containers/json":               http.StatusNotFound,
		"/v1.999/containers/json":              http.StatusBadRequest,
		"/v1./containers/json":                 http.StatusBadRequest,
		"/v1.x/containers/json":                http.StatusBadRequest,
		"/v1.-1/containers/json":               http.StatusBadRequest,
		"/v1.44":                               http.StatusNotFound,
		"/":                                    http.StatusNotFound,
		"/v1.44/containers/web/archive?path=":  http.StatusBadRequest,
		"/containers/web%00/json":              http.StatusNotFound,
	} {
		w := served(t, oneContainer(), target)
		if got := w.Code; got != want && (want != http.StatusTemporaryRedirect || got != http.StatusMovedPermanently) {
			t.Errorf("%s: %d %s, want %d", target, got, w.Body, want)
		}
	}
}

// A body has a bound, also one that never says how long it is.
func TestABodyHasABound(t *testing.T) {
	t.Parallel()
	b := &endless{}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/containers/create", b)
	r.ContentLength = -1
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	serverOf(t, oneContainer()).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || b.read > 2*maxBody {
		t.Errorf("%d after %d bytes: %s", w.Code, b.read, w.Body)
	}
}

// endless is a JSON text without end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '['
	}
	if e.read == 0 {
		copy(p, `{"Image":"`)
	}
	e.read += len(p)
	return len(p), nil
}
