package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// await runs a check that awaits a line from a given state on, for a minute. Each probe is
// told its number, from 1, and what it returns.
func await(t *testing.T, check Check, from State, probe func(ctx context.Context, n int) Result) (seen string, probes int, end State) {
	t.Helper()
	check.Awaits = "the line"
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var lines []string
	m := Monitor{
		Check: check,
		Probe: func(ctx context.Context) Result {
			probes++
			return probe(ctx, probes)
		},
		Report: func(s State) {
			last := s.Log[len(s.Log)-1]
			lines = append(lines, fmt.Sprintf("%v %s %q", time.Since(began), s.Status, last.Output))
		},
	}
	end = m.Run(ctx, from)
	return strings.Join(lines, "\n"), probes, end
}

// after is a probe of something that comes after a time.
func after(d time.Duration) func(context.Context, int) Result {
	return func(ctx context.Context, _ int) Result {
		select {
		case <-time.After(d):
			return Result{Output: "it came"}
		case <-ctx.Done():
			return Result{ExitCode: -1, Output: ctx.Err().Error()}
		}
	}
}

func TestWhatIsAwaited(t *testing.T) {
	tests := map[string]struct {
		check Check
		probe func(context.Context, int) Result
		want  string
	}{
		"is seen at once, by one probe, and that is for good": {
			Check{Interval: time.Second, Timeout: time.Millisecond},
			after(1234 * time.Millisecond),
			`1s starting "the line has not come yet"
1.234s healthy "it came"`,
		},
		"makes unhealthy when it does not come, and healthy when it comes at last": {
			Check{Interval: time.Second, Retries: 2},
			after(2500 * time.Millisecond),
			`1s starting "the line has not come yet"
2s unhealthy "the line has not come yet"
2.5s healthy "it came"`,
		},
		"may come late in the start period": {
			Check{Interval: time.Second, Retries: 1, StartPeriod: 9 * time.Second, StartInterval: 5 * time.Second},
			after(8 * time.Second),
			`5s starting "the line has not come yet"
8s healthy "it came"`,
		},
		"is waited for anew when it could not be waited for": {
			Check{Interval: time.Second, Retries: 3},
			func(ctx context.Context, n int) Result {
				if n < 3 {
					return Result{ExitCode: -1, Output: fmt.Sprint("cannot read ", n)}
				}
				return after(time.Second/2)(ctx, n)
			},
			`1s starting "cannot read 1"
2s starting "cannot read 2"
2.5s healthy "it came"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, _, end := await(t, test.check, test.check.Begin(time.Now()), test.probe)
				if got != test.want {
					t.Errorf("reports\n%s\nwant\n%s", got, test.want)
				}
				if end.Status != Healthy {
					t.Errorf("at last %s", end.Status)
				}
			})
		})
	}
}

func TestWhatCameUnderAnEarlierRunIsNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, probes, end := await(t, Check{}, State{Status: Healthy}, func(context.Context, int) Result {
			return Result{ExitCode: -1, Output: "the log is gone"}
		})
		if got != "" || probes != 0 || end.Status != Healthy {
			t.Errorf("%d probes, state %+v, reports %q", probes, end, got)
		}
	})
}

func TestALateRunLooksBeforeItCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := Check{Interval: time.Second, Retries: 1}
		got, _, _ := await(t, check, check.Begin(time.Now().Add(-time.Hour)), after(time.Millisecond))
		if want := `1ms healthy "it came"`; got != want {
			t.Errorf("reports %q, want %q", got, want)
		}
	})
}

func TestAnInterruptedWaitIsNoResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := Check{Interval: time.Hour}
		over := errors.New("still there")
		got, _, end := await(t, check, check.Begin(time.Now()), func(ctx context.Context, _ int) Result {
			<-ctx.Done()
			time.Sleep(time.Second) // Run waits for it
			over = ctx.Err()
			return Result{}
		})
		if got != "" || end.Status != Starting || !errors.Is(over, context.DeadlineExceeded) {
			t.Errorf("state %+v, reports %q, the probe %v", end, got, over)
		}
	})
}
