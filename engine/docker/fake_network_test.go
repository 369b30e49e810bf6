package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

// fakeNetworks has networks, volumes and containers. What else a backend can do it does not.
type fakeNetworks struct {
	Backend
	networks   []engine.Network
	volumes    []engine.Volume
	containers []engine.Container
	history    []engine.Event

	did    []string // what it was asked to do
	events []engine.Event
	err    error // of the next change
}

func (f *fakeNetworks) note(format string, args ...any) error {
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakeNetworks) List(context.Context, *call.ListRequest) ([]engine.Container, error) {
	return f.containers, nil
}

func (f *fakeNetworks) Inspect(_ context.Context, ref string) (engine.Container, error) {
	for _, c := range f.containers {
		if c.ID == ref {
			return c, nil
		}
	}
	return engine.Container{}, errNone
}

func (f *fakeNetworks) Networks(context.Context) ([]engine.Network, error) { return f.networks, nil }

func (f *fakeNetworks) CreateNetwork(_ context.Context, spec *engine.NetworkSpec) (engine.Network, error) {
	return engine.Network{ID: "new", Spec: *spec}, f.note("create network %s %s", spec.Name, spec.Driver)
}

func (f *fakeNetworks) RemoveNetwork(_ context.Context, ref string) error {
	return f.note("remove network %s", ref)
}

func (f *fakeNetworks) ConnectNetwork(_ context.Context, network, container string, how *engine.EndpointSpec) error {
	return f.note("connect %s %s %v %s %s %v %d", network, container, how.Aliases, how.IPv4, how.MacAddress, how.Links, how.GwPriority)
}

func (f *fakeNetworks) DisconnectNetwork(_ context.Context, network, container string, force call.ForceRemove) error {
	return f.note("disconnect %s %s %v", network, container, force)
}

func (f *fakeNetworks) Volumes(context.Context) ([]engine.Volume, error) { return f.volumes, nil }

func (f *fakeNetworks) CreateVolume(_ context.Context, spec *engine.VolumeSpec) (engine.Volume, error) {
	return engine.Volume{Name: spec.Name, Spec: *spec}, f.note("create volume %s %v", spec.Name, spec.DriverOpts)
}

func (f *fakeNetworks) RemoveVolume(_ context.Context, name string) error {
	if name == "absent" {
		return engine.Problem(engine.ErrNotFound, errors.New("get absent: no such volume"))
	}
	return f.note("remove volume %s", name)
}

func (f *fakeNetworks) Publish(ev engine.Event) { f.events = append(f.events, ev) }

func (f *fakeNetworks) Events(_ context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error {
	_ = f.note("events %s %s", stamp(since), stamp(until))
	subscribed()
	for _, ev := range f.history {
		if err := emit(ev); err != nil {
			return err
		}
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return fmt.Sprint(t.Unix())
}

// someNetworks has one of each kind.
func someNetworks() *fakeNetworks {
	return &fakeNetworks{
		networks: []engine.Network{
			{ID: "b1", Spec: engine.NetworkSpec{Name: "bridge", Driver: "bridge"}},
			{ID: "d1", Spec: engine.NetworkSpec{Name: "dusty", Labels: map[string]string{"a": "b"}}, Created: time.Unix(1000, 0)},
			{ID: "f1", Spec: engine.NetworkSpec{Name: "shop_front", Key: "front", Driver: "macvlan"}, Project: "shop", Created: time.Unix(2000, 0)},
			{ID: "h1", Spec: engine.NetworkSpec{Name: "host", Driver: "host"}},
		},
		volumes: []engine.Volume{
			{Name: "aa11", Anonymous: true},
			{Name: "data", Spec: engine.VolumeSpec{Labels: map[string]string{"a": "b"}}},
			{Name: "loose"},
		},
		containers: []engine.Container{{
			ID: "c1", Name: "web", State: engine.State{Status: engine.StatusRunning},
			Endpoints: map[string]engine.Endpoint{"shop_front": {NetworkID: "f1"}},
			Mounts:    []engine.MountPoint{{Type: engine.MountVolume, Name: "data"}},
		}, {
			ID: "c2", Name: "ended", State: engine.State{Status: engine.StatusExited},
			Endpoints: map[string]engine.Endpoint{"dusty": {NetworkID: "d1"}},
		}},
	}
}

// asked is the status and the body of an answer.
func asked(t *testing.T, b Backend, method, url, body string) (code int, answer string) {
	t.Helper()
	s := New(Config{Closing: t.Context(), Log: slog.New(slog.DiscardHandler)}, b)
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	http.Handler(s).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
