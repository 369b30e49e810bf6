package docker

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
	"tiffin/engine/call"
)

func oneContainer() *measured {
	return &measured{record: engine.Container{
		ID: "c0ffee", Name: "web", ImageID: "sha256:1", State: engine.State{Status: engine.StatusRunning},
	}, image: engine.Image{ID: "sha256:1", Size: 1000}, written: 23}
}

// objects reads an answer of one object a line.
func objects(t *testing.T, w *httptest.ResponseRecorder) []container.StatsResponse {
	t.Helper()
	var out []container.StatsResponse
	for d := json.NewDecoder(w.Body); d.More(); {
		var s container.StatsResponse
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func TestStats(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query string
		idle  bool
		// took is how long the answer takes; total and before are the CPU times in each object.
		took          time.Duration
		total, before []uint64
		objects       int
	}{
		"a stream until it is removed":      {"", false, 3 * time.Second, []uint64{10, 20, 30}, []uint64{0, 10, 20}, 3},
		"one that is asked for":             {"?stream=1", false, 3 * time.Second, []uint64{10, 20, 30}, []uint64{0, 10, 20}, 3},
		"the second of two":                 {"?stream=false", false, time.Second, []uint64{20}, []uint64{10}, 1},
		"one at once":                       {"?stream=0&one-shot=1", false, 0, []uint64{10}, []uint64{0}, 1},
		"what does not run, at once":        {"?stream=false", true, 0, []uint64{0}, []uint64{0}, 1},
		"a stream of what does not run yet": {"?stream=true", true, 3 * time.Second, []uint64{0, 0, 0}, []uint64{0, 0, 0}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := oneContainer()
				b.readings, b.idle = 3, c.idle
				began := time.Now()
				w := served(t, b, "/v1.44/containers/web/stats"+c.query)
				if took := time.Since(began); took != c.took || w.Code != http.StatusOK {
					t.Errorf("%d after %s, want %s", w.Code, took, c.took)
				}
				got := objects(t, w)
				if len(got) != c.objects {
					t.Fatalf("%d objects, want %d", len(got), c.objects)
				}
				for i, s := range got {
					if s.CPUStats.CPUUsage.TotalUsage != c.total[i] || s.PreCPUStats.CPUUsage.TotalUsage != c.before[i] {
						t.Errorf("object %d: %d after %d", i, s.CPUStats.CPUUsage.TotalUsage, s.PreCPUStats.CPUUsage.TotalUsage)
					}
					if s.Name != "/web" || s.ID != "c0ffee" || s.Read.IsZero() != c.idle {
						t.Errorf("object %d: %s %s %s", i, s.Name, s.ID, s.Read)
					}
				}
			})
		})
	}
}

func TestAStreamOfStatsEndsWithItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second+time.Millisecond)
		defer cancel()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/containers/web/stats", nil)
		serverOf(t, oneContainer()).ServeHTTP(w, r)
		if got := len(objects(t, w)); got != 91 {
			t.Errorf("%d objects", got)
		}
	})
}

func TestAStreamOfStatsEndsWithTheEngine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closing, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w := httptest.NewRecorder()
		s := New(Config{Log: slog.New(slog.DiscardHandler), Closing: closing}, oneContainer())
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/containers/web/stats", nil))
		if w.Code != http.StatusOK {
			t.Errorf("%d", w.Code)
		}
	})
}

func TestStatsAreRefused(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]int{
		"/containers/absent/stats":                   http.StatusNotFound,
		"/containers/web/stats?one-shot=1":           http.StatusBadRequest,
		"/containers/web/stats?one-shot=1&stream=on": http.StatusBadRequest,
		"/containers/absent/changes":                 http.StatusNotFound,
	} {
		if w := served(t, oneContainer(), target); w.Code != want {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestStatsHaveWhatDockerHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := served(t, oneContainer(), "/containers/web/stats?stream=false&one-shot=1")
		const want = `{"id":"c0ffee","name":"/web","os_type":"linux","read":"2000-01-01T00:00:00Z",` +
			`"cpu_stats":{"cpu_usage":{"total_usage":10,"usage_in_kernelmode":0,"usage_in_usermode":0},"system_cpu_usage":1000,"online_cpus":2,` +
			`"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},` +
			`"memory_stats":{"usage":7,"stats":{"inactive_file":1},"limit":9},` +
			`"networks":{"eth0":{"rx_bytes":5,"rx_packets":0,"rx_errors":0,"rx_dropped":0,"tx_bytes":6,"tx_packets":0,"tx_errors":0,"tx_dropped":0}},` +
			`"pids_stats":{},"blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"Read","value":4096}],` +
			`"io_serviced_recursive":[{"major":8,"minor":0,"op":"Read","value":1}],"io_queue_recursive":null,"io_service_time_recursive":null,` +
			`"io_wait_time_recursive":null,"io_merged_recursive":null,"io_time_recursive":null,"sectors_recursive":null},` +
			`"num_procs":0,"storage_stats":{},"preread":"0001-01-01T00:00:00Z","precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},` +
			`"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}}}` + "\n"
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestChangesAreDockers(t *testing.T) {
	t.Parallel()
	b := oneContainer()
	if got := served(t, b, "/containers/web/changes").Body.String(); got != "[]\n" {
		t.Errorf("none: %s", got)
	}
	b.changes = []call.FileChange{{Path: "/a"}, {Path: "/a/b", Kind: call.ChangeAdded}, {Path: "/c", Kind: call.ChangeDeleted}}
	const want = `[{"Kind":0,"Path":"/a"},{"Kind":1,"Path":"/a/b"},{"Kind":2,"Path":"/c"}]` + "\n"
	if diff := cmp.Diff(want, served(t, b, "/containers/web/changes").Body.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSizesAreThereForWhoAsks(t *testing.T) {
	t.Parallel()
	type sizes struct{ SizeRw, SizeRootFs *int64 }
	number := func(n int64) *int64 { return &n }
	asked, without := sizes{number(23), number(1023)}, sizes{}
	for target, want := range map[string]sizes{
		"json?size=1": asked, "web/json?size=true": asked, "json": without, "web/json": without,
	} {
		w := served(t, oneContainer(), "/containers/"+target)
		var list []sizes
		text := w.Body.String()
		if text[0] != '[' {
			text = "[" + text + "]"
		}
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 {
			t.Fatalf("%s: %v", target, err)
		}
		if diff := cmp.Diff(want, list[0]); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
}
