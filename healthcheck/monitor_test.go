package healthcheck

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunProbesWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var seen []string
		m := Monitor{
			Check: Check{Interval: time.Second},
			Probe: func(context.Context) Result {
				if time.Since(began) < 15*time.Millisecond {
					return Result{ExitCode: 1}
				}
				return Result{}
			},
			Report: func(s State) {
				seen = append(seen, fmt.Sprintf("%v %s", time.Since(began), s.Status))
				if len(seen) == 4 {
					cancel()
				}
			},
		}
		m.Run(ctx, m.Check.Begin(began))
		if got, want := strings.Join(seen, ", "), "0s starting, 10ms starting, 20ms healthy, 1.02s healthy"; got != want {
			t.Errorf("reports %q, want %q", got, want)
		}
	})
}

func TestTimeoutEndsTheProbeAndIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := Monitor{
			Check: Check{Timeout: time.Second},
			Probe: func(ctx context.Context) Result {
				<-ctx.Done()
				return Result{ExitCode: 137, Output: "still trying"}
			},
			Report: func(State) { cancel() },
		}
		s := m.Run(ctx, m.Check.Begin(time.Now()))
		r := s.Log[0]
		if want := "Health check exceeded timeout (1s): still trying"; r.ExitCode != -1 || r.Output != want {
			t.Errorf("exit code %d, output %q, want -1 and %q", r.ExitCode, r.Output, want)
		}
		if took := r.End.Sub(r.Start); took != time.Second {
			t.Errorf("probe took %v", took)
		}
	})
}

func TestProbesDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, probes := 0, 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		m := Monitor{
			Check: Check{Interval: time.Millisecond, Timeout: 10 * time.Millisecond},
			Probe: func(context.Context) Result { // heeds no ctx
				running++
				probes++
				if running > 1 {
					t.Error("two probes at once")
				}
				time.Sleep(50 * time.Millisecond)
				running--
				return Result{}
			},
			Report: func(State) {},
		}
		m.Run(ctx, m.Check.Begin(time.Now()))
		if probes < 1000 {
			t.Errorf("%d probes in a minute", probes)
		}
	})
}

func TestAnInterruptedProbeIsNoResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := Monitor{
			Probe: func(ctx context.Context) Result {
				<-ctx.Done()
				return Result{ExitCode: 1}
			},
			Report: func(s State) { t.Errorf("reported %+v", s) },
		}
		if s := m.Run(ctx, m.Check.Begin(time.Now())); s.Status != Starting || len(s.Log) != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestRunGoesOnFromAStoredState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		m := Monitor{
			Check:  Check{Interval: time.Second, StartInterval: time.Second},
			Probe:  func(context.Context) Result { return Result{ExitCode: 1} },
			Report: func(State) { cancel() },
		}
		clockWasSetBack := State{Status: Healthy, Due: began.Add(time.Hour), Regular: began.Add(time.Hour)}
		s := m.Run(ctx, clockWasSetBack)
		if s.Status != Healthy || s.FailingStreak != 1 || time.Since(began) != time.Second {
			t.Errorf("after %v: %+v", time.Since(began), s)
		}
	})
}

func TestOutputKeepsTheBeginning(t *testing.T) {
	var o Output
	fmt.Fprint(&o, strings.Repeat("a", MaxOutput-1))
	if n, err := fmt.Fprint(&o, "bcd"); n != 3 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	fmt.Fprint(&o, "e")
	if want := strings.Repeat("a", MaxOutput-1) + "b..."; o.String() != want {
		t.Errorf("kept %d bytes ending in %q", len(o.String()), o.String()[MaxOutput-2:])
	}
}
