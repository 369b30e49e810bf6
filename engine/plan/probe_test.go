package plan

import (
	"strings"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

func probed(check *engine.Healthcheck) func(*engine.Service) {
	return func(s *engine.Service) { s.Container.Healthcheck = check }
}

// TestUpComparesProbes has services whose hash says that nothing changed: docker compose's
// knows nothing of x-ready.
func TestUpComparesProbes(t *testing.T) {
	t.Parallel()
	port := func(n uint16) *engine.Healthcheck {
		return &engine.Healthcheck{Probe: &engine.Probe{Port: n}, Retries: 3}
	}
	slower := port(80)
	slower.Interval = engine.Duration(time.Minute)
	test := &engine.Healthcheck{Test: []string{"CMD", "true"}}
	for name, c := range map[string]struct {
		was, is *engine.Healthcheck
		changed bool
	}{
		"the same":                   {port(80), port(80), false},
		"another port":               {port(80), port(81), true},
		"another time":               {port(80), slower, true},
		"one more":                   {nil, port(80), true},
		"one less":                   {port(80), nil, true},
		"in place of a health check": {test, port(80), true},
		"a health check's defaults":  {&engine.Healthcheck{Test: test.Test, Retries: 3}, test, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was, is := stackOf(service("web", probed(c.was))), stackOf(service("web", probed(c.is)))
			p, err := Up(&call.UpRequest{Stack: is}, brought(t, &was).obs)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(p.String(), "create container demo-web-1 (x-ready changed)"); got != c.changed {
				t.Errorf("recreated: %v, want %v\n%s", got, c.changed, p)
			}
		})
	}
}

func TestXReadyIsAmongWhatChanged(t *testing.T) {
	t.Parallel()
	probe := probed(&engine.Healthcheck{Probe: &engine.Probe{Port: 80}})
	was := stackOf(service("web", probed(&engine.Healthcheck{Test: []string{"CMD", "true"}})))
	is := stackOf(service("web", changed(probe, env("A=1"))))
	if got, want := whatChanged(&was, &is.Services[0]), "configuration changed: environment, healthcheck, x-ready"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
