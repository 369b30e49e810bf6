package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/state"
)

// bubble is the clock of a synctest bubble, which begins at midnight UTC of 2000-01-01.
type bubble struct{}

func (bubble) Now() time.Time { return time.Now() }

func (bubble) Until(ctx context.Context, t time.Time) error {
	select {
	case <-time.After(time.Until(t)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// host runs jobs that take a time.
type host struct {
	mu    sync.Mutex
	stack engine.Stack
	takes time.Duration
	began []string
	list  []engine.Container
}

func (h *host) Stack(context.Context, string) (*engine.Stack, error) { return &h.stack, nil }

func (h *host) Run(_ context.Context, req *call.RunRequest, _ engine.Report) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.began = append(h.began, time.Now().UTC().Format("15:04"))
	c := engine.Container{
		ID: fmt.Sprint(len(h.began)), Service: req.Service, OneOff: true, Created: time.Now(),
		Spec: engine.ContainerSpec{Labels: map[string]string{engine.LabelJob: req.Service}}, State: engine.State{Status: engine.StatusRunning},
	}
	h.list = append(h.list, c)
	return c.ID, nil
}

func (h *host) Wait(ctx context.Context, id string) (int, error) {
	h.mu.Lock()
	i := h.index(id)
	left := time.Until(h.list[i].Created.Add(h.takes))
	h.mu.Unlock()
	select {
	case <-time.After(left):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list[h.index(id)].State.Status = engine.StatusExited
	return 0, nil
}

func (h *host) index(id string) int {
	for i := range h.list {
		if h.list[i].ID == id {
			return i
		}
	}
	return -1
}

func (h *host) List(context.Context, *call.ListRequest) ([]engine.Container, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]engine.Container(nil), h.list...), nil
}

func (h *host) Remove(_ context.Context, ref string, _ call.RemoveOptions) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.index(ref)
	h.list = append(h.list[:i], h.list[i+1:]...)
	return nil
}

// TestJobsRunByTheClock has an engine for some minutes, none for some, and another one.
func TestJobsRunByTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		schedules       []engine.Schedule
		takes           time.Duration
		up, away, again time.Duration
		want            string
	}{
		"each time":                    {schedules: []engine.Schedule{{Cron: "*/5 * * * *"}}, up: 16 * time.Minute, want: "00:05 00:10 00:15"},
		"several schedules":            {schedules: []engine.Schedule{{Cron: "*/5 * * * *"}, {Cron: "7,10 * * * *"}}, up: 11 * time.Minute, want: "00:05 00:07 00:10"},
		"a time zone":                  {schedules: []engine.Schedule{{Cron: "15 6 * * *", Zone: "Asia/Kathmandu"}}, up: time.Hour, want: "00:30"},
		"not beside itself":            {schedules: []engine.Schedule{{Cron: "*/5 * * * *"}}, takes: 7 * time.Minute, up: 21 * time.Minute, want: "00:05 00:15"},
		"one after the other":          {schedules: []engine.Schedule{{Cron: "*/5 * * * *", Queue: true}}, takes: 7 * time.Minute, up: 21 * time.Minute, want: "00:05 00:12 00:19"},
		"missed: once for all":         {schedules: []engine.Schedule{{Cron: "*/5 * * * *"}}, up: 6 * time.Minute, away: 30*time.Minute + 2*time.Minute, again: 3 * time.Minute, want: "00:05 00:38 00:40"},
		"missed: left out":             {schedules: []engine.Schedule{{Cron: "*/5 * * * *", SkipMissed: true}}, up: 6 * time.Minute, away: 32 * time.Minute, again: 3 * time.Minute, want: "00:05 00:40"},
		"a moment late is not missed":  {schedules: []engine.Schedule{{Cron: "*/5 * * * *", SkipMissed: true}}, up: 6 * time.Minute, away: 4*time.Minute + 30*time.Second, again: time.Minute, want: "00:05 00:10"},
		"queued: the next engine's":    {schedules: []engine.Schedule{{Cron: "5,6 * * * *", Queue: true}}, takes: 4 * time.Minute, up: 7 * time.Minute, away: time.Minute, again: 5 * time.Minute, want: "00:05 00:09"},
		"an earlier engine's runs yet": {schedules: []engine.Schedule{{Cron: "5,9 * * * *"}}, takes: 10 * time.Minute, up: 6 * time.Minute, away: time.Minute, again: 5 * time.Minute, want: "00:05"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{takes: c.takes, stack: engine.Stack{Name: "p", Services: []engine.Service{{Name: "j", Job: &engine.Triggers{Schedules: c.schedules}}}}}
				records := open(t)
				first := New(h, records, bubble{}, slog.New(slog.DiscardHandler))
				if err := first.Arm(&h.stack); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.up)
				first.Close()
				time.Sleep(c.away)
				second := New(h, records, bubble{}, slog.New(slog.DiscardHandler))
				if err := second.Resume(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.again)
				second.Close()
				if got := strings.Join(h.began, " "); got != c.want {
					t.Errorf("it ran at %s, want %s", got, c.want)
				}
				if len(h.list) > keptRuns+1 {
					t.Errorf("%d runs are kept", len(h.list))
				}
			})
		})
	}
}

// TestUpAgainAndDown arms a job anew, with and without a change, and gives it up.
func TestUpAgainAndDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stack := func(crons ...string) *engine.Stack {
			out := &engine.Stack{Name: "p"}
			for i, text := range crons {
				out.Services = append(out.Services, engine.Service{Name: fmt.Sprint(i), Job: &engine.Triggers{Schedules: []engine.Schedule{{Cron: text}}}})
			}
			return out
		}
		h := &host{stack: *stack("*/5 * * * *", "*/5 * * * *")}
		records := open(t)
		s := New(h, records, bubble{}, slog.New(slog.DiscardHandler))
		defer s.Close()
		for _, step := range []func() error{
			func() error { return s.Arm(stack("*/5 * * * *")) },
			func() error { return s.Arm(stack("*/5 * * * *")) },
			func() error { return s.Arm(stack("7 * * * *", "10 * * * *")) },
			func() error { return s.Arm(stack("7 * * * *")) },
			func() error { return s.Disarm("other") },
			func() error { return s.Disarm("p") },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Minute)
		}
		if got, want := strings.Join(h.began, " "), "00:05 00:07"; got != want {
			t.Errorf("jobs ran at %s, want %s", got, want)
		}
		left, _, err := state.Load[record](records, kind)
		if err != nil || len(left) > 0 {
			t.Errorf("records are left: %v, %v", left, err)
		}
	})
}

func open(t *testing.T) *state.Store {
	t.Helper()
	records, err := state.Open(filepath.Join(t.TempDir(), "records"), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	return records
}

func TestTheWallClockWaitsAndIsInterrupted(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(20 * time.Millisecond)
	for time.Now().Before(at) { // it may return before when the clock is set
		if err := (Wall{}).Until(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if err := (Wall{}).Until(ctx, time.Now().Add(time.Hour)); err == nil {
		t.Error("nothing interrupted it")
	}
	if err := (Wall{}).Until(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Error(err)
	}
}
