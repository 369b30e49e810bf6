package docker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

// measured is a backend of one container. What is not overridden must not be called.
type measured struct {
	Backend
	record engine.Container
	image  engine.Image
	// readings is how many readings there are before the container is removed; 0: no end.
	readings int
	idle     bool
	read     int
	changes  []call.FileChange
	written  int64
	created  *call.CreateRequest
}

var errNone = engine.Problem(engine.ErrNotFound, errors.New("no such container: x"))

func (m *measured) Inspect(_ context.Context, ref string) (engine.Container, error) {
	if ref != m.record.ID && ref != m.record.Name {
		return engine.Container{}, errNone
	}
	return m.record, nil
}

func (m *measured) List(context.Context, *call.ListRequest) ([]engine.Container, error) {
	return []engine.Container{m.record}, nil
}

func (m *measured) Image(_ context.Context, ref string) (engine.Image, error) {
	if ref != m.image.ID {
		return engine.Image{}, errNone
	}
	return m.image, nil
}

func (m *measured) Stats(_ context.Context, req *call.StatsRequest) ([]call.Stats, error) {
	if req.Containers[0] != m.record.ID || m.readings > 0 && m.read == m.readings {
		return nil, errNone
	}
	m.read++
	s := call.Stats{ID: m.record.ID, Name: m.record.Name}
	if m.idle {
		return []call.Stats{s}, nil
	}
	n := uint64(m.read)
	s.Running, s.Read = true, time.Now()
	s.CPU = call.CPUStats{Total: 10 * n, Host: 1000 * n, Online: 2}
	s.Memory = call.MemoryStats{Usage: 7, Limit: 9, Details: map[string]uint64{"inactive_file": 1}}
	s.Block = []call.BlockStat{{Major: 8, Op: "Read", Bytes: 4096, Operations: 1}}
	s.Networks = map[string]call.InterfaceStats{"eth0": {RxBytes: 5, TxBytes: 6}}
	return []call.Stats{s}, nil
}

func (m *measured) Create(_ context.Context, req *call.CreateRequest) (engine.Container, error) {
	m.created = req
	return m.record, nil
}

func (m *measured) FileChanges(_ context.Context, ref string) ([]call.FileChange, error) {
	if ref != m.record.Name {
		return nil, errNone
	}
	return m.changes, nil
}

func (m *measured) WritableSize(context.Context, string) (int64, error) { return m.written, nil }

// served answers one GET.
func served(t *testing.T, b Backend, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	serverOf(t, b).ServeHTTP(w, r)
	return w
}

func serverOf(t *testing.T, b Backend) http.Handler {
	t.Helper()
	return New(Config{Version: "1", Log: slog.New(slog.DiscardHandler), Closing: t.Context()}, b)
}
