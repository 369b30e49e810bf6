package docker

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/docker/filter"
)

func TestVersionsInPaths(t *testing.T) {
	for path, want := range map[string][2]string{
		"/v1.44/info": {"1.44", "/info"}, "/info": {"", "/info"}, "/v1.24/containers/json": {"1.24", "/containers/json"},
		"/volumes/v1.2/x": {"", "/volumes/v1.2/x"}, "/v2/x": {"", "/v2/x"}, "/v1.44": {"", "/v1.44"},
	} {
		if version, rest := splitVersion(path); version != want[0] || rest != want[1] {
			t.Errorf("%s: %q %q", path, version, rest)
		}
	}
	for version, want := range map[string]string{
		"": "", "1.24": "", MaxVersion: "", "1.9": "is too old", "1.23": "Minimum supported API version is 1.24", "1.999": "is too new",
	} {
		err := checkVersion(version)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestStatusOfErrors(t *testing.T) {
	for want, err := range map[int]error{
		http.StatusNotFound: engine.ErrNotFound, http.StatusConflict: engine.ErrConflict, http.StatusBadRequest: engine.ErrInvalid,
		http.StatusForbidden: engine.ErrDenied, http.StatusNotImplemented: engine.ErrUnsupported,
		http.StatusServiceUnavailable: engine.ErrUnavailable, http.StatusInternalServerError: errors.New("disk full"),
	} {
		if got := statusOf(engine.Hint(engine.Problem(err, errors.New("x")), "do")); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestBodies(t *testing.T) {
	for name, tc := range map[string]struct {
		kind, body string
		ok         bool
	}{
		"unknown fields are ignored": {"application/json", `{"Cmd":["a"],"Colour":1}`, true},
		"with a character set":       {"application/json; charset=utf-8", `{}`, true},
		"text":                       {"text/plain", `{}`, false},
		"nothing":                    {"application/json", ``, false},
		"half":                       {"application/json", `{"Cmd":`, false},
		"another type":               {"application/json", `{"Cmd":7}`, false},
		"too long":                   {"application/json", `{"Cmd":["` + strings.Repeat("x", maxBody) + `"]}`, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tc.body))
		r.Header.Set("Content-Type", tc.kind)
		var into struct{ Cmd []string }
		if err := decode(r, &into); (err == nil) != tc.ok || err != nil && !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "0": {}, "1764158400": time.Unix(1764158400, 0), "1764158400.5": time.Unix(1764158400, 5e8),
		"1764158400.000000001": time.Unix(1764158400, 1), "10m": now.Add(-10 * time.Minute),
		"2026-11-26T11:00:00Z": time.Date(2026, 11, 26, 11, 0, 0, 0, time.UTC),
	} {
		if got, err := timeOf(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if _, err := timeOf("yesterday", now); !errors.Is(err, engine.ErrInvalid) {
		t.Error(err)
	}
}

func TestFrames(t *testing.T) {
	var w bytes.Buffer
	stdout, stderr := outputs(&w, false)
	for text, to := range map[string]interface{ Write(p []byte) (int, error) }{"ab": stdout, "c": stderr} {
		w.Reset()
		if n, err := to.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
		want := map[string]string{"ab": "\x01\x00\x00\x00\x00\x00\x00\x02ab", "c": "\x02\x00\x00\x00\x00\x00\x00\x01c"}[text]
		if w.String() != want {
			t.Errorf("%q, want %q", w.String(), want)
		}
	}
	w.Reset()
	raw, _ := outputs(&w, true)
	if _, err := raw.Write([]byte("raw")); err != nil || w.String() != "raw" {
		t.Errorf("with a terminal: %q, %v", w.String(), err)
	}
}

func TestStamps(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 5, time.UTC)
	const stamp = "2026-11-26T12:00:00.000000005Z "
	var w bytes.Buffer
	s := &stamper{w: &w, on: true}
	for _, piece := range []string{"a\nb", "c\n", "\n"} {
		if err := s.write(at, []byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if want := stamp + "a\n" + stamp + "bc\n" + stamp + "\n"; w.String() != want {
		t.Errorf("%q, want %q", w.String(), want)
	}
}

func TestWantedEvents(t *testing.T) {
	start := engine.Event{
		Type: engine.EventContainer, Action: "start", ID: strings.Repeat("ab", 32),
		Attributes: map[string]string{"name": "web", "image": "nginx", "tier": "x"},
	}
	health := engine.Event{Type: engine.EventContainer, Action: "health_status: healthy", ID: "y"}
	for text, want := range map[string][2]bool{
		``: {true, true}, `{"event":["start"]}`: {true, false}, `{"event":["health_status"]}`: {false, true},
		`{"event":["health_status: healthy"]}`: {false, true}, `{"container":["web"]}`: {true, false},
		`{"container":["abababababab"]}`: {true, false}, `{"type":["network"]}`: {false, false}, `{"image":["nginx"]}`: {true, false},
		`{"label":["tier=x"]}`: {true, false}, `{"network":["web"]}`: {false, false},
	} {
		args, err := filter.Parse(text, eventFilters...)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{wanted(&start, args), wanted(&health, args)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
