package healthcheck

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// play lets a service answer the probes that a check asks for: each takes as
// long as told and finds the service healthy in the given span. One line a probe.
func play(c Check, probes int, took time.Duration, healthy func(time.Duration) bool) string {
	var b strings.Builder
	s := c.Begin(start)
	for range probes {
		r := Result{Start: s.Due, End: s.Due.Add(took)}
		if !healthy(r.Start.Sub(start)) {
			r.ExitCode = 1
		}
		s = c.Next(s, r)
		fmt.Fprintf(&b, "%v exit %d: %s, streak %d\n", r.Start.Sub(start), r.ExitCode, s.Status, s.FailingStreak)
	}
	return b.String()
}

func never(time.Duration) bool { return false }

func from(d time.Duration) func(time.Duration) bool {
	return func(t time.Duration) bool { return t >= d }
}

func TestNext(t *testing.T) {
	second := Check{Interval: time.Second, Retries: 2}
	tests := map[string]struct {
		check   Check
		probes  int
		took    time.Duration
		healthy func(time.Duration) bool
		want    string
	}{
		"a service that is ready is healthy at once, and looked at each interval": {
			second, 3, 0, from(0),
			`0s exit 0: healthy, streak 0
1s exit 0: healthy, streak 0
2s exit 0: healthy, streak 0
`,
		},
		"a service that is soon ready is soon healthy": {
			second, 6, 0, from(35 * time.Millisecond),
			`0s exit 1: starting, streak 0
10ms exit 1: starting, streak 0
20ms exit 1: starting, streak 0
30ms exit 1: starting, streak 0
40ms exit 0: healthy, streak 0
1.04s exit 0: healthy, streak 0
`,
		},
		"only the failures of regular probes count, one an interval": {
			Check{Interval: 100 * time.Millisecond, Retries: 2},
			15, 0, never,
			`0s exit 1: starting, streak 0
10ms exit 1: starting, streak 0
20ms exit 1: starting, streak 0
30ms exit 1: starting, streak 0
40ms exit 1: starting, streak 0
50ms exit 1: starting, streak 0
62.5ms exit 1: starting, streak 0
78.125ms exit 1: starting, streak 0
97.65625ms exit 1: starting, streak 0
100ms exit 1: starting, streak 1
125ms exit 1: starting, streak 1
156.25ms exit 1: starting, streak 1
195.3125ms exit 1: starting, streak 1
200ms exit 1: unhealthy, streak 2
300ms exit 1: unhealthy, streak 3
`,
		},
		"a failure in the start period does not count": {
			Check{Interval: time.Second, StartPeriod: 25 * time.Millisecond, StartInterval: 8 * time.Millisecond, Retries: 1},
			6, 0, never,
			`0s exit 1: starting, streak 0
8ms exit 1: starting, streak 0
16ms exit 1: starting, streak 0
24ms exit 1: starting, streak 0
32ms exit 1: unhealthy, streak 1
1.032s exit 1: unhealthy, streak 2
`,
		},
		"a success ends the start period": {
			Check{Interval: time.Second, StartPeriod: time.Hour, Retries: 1},
			3, 0,
			func(d time.Duration) bool { return d == 10*time.Millisecond },
			`0s exit 1: starting, streak 0
10ms exit 0: healthy, streak 0
1.01s exit 1: unhealthy, streak 1
`,
		},
		"in the start period the regular probes are a start interval apart": {
			Check{Interval: time.Hour, StartPeriod: time.Hour, StartInterval: 15 * time.Millisecond},
			9, 0, never,
			`0s exit 1: starting, streak 0
10ms exit 1: starting, streak 0
15ms exit 1: starting, streak 0
25ms exit 1: starting, streak 0
30ms exit 1: starting, streak 0
40ms exit 1: starting, streak 0
45ms exit 1: starting, streak 0
56.25ms exit 1: starting, streak 0
60ms exit 1: starting, streak 0
`,
		},
		"extra probes that take long come further apart, and never when a regular one is due": {
			second, 4, 200 * time.Millisecond, never,
			`0s exit 1: starting, streak 0
600ms exit 1: starting, streak 0
1s exit 1: starting, streak 1
1.6s exit 1: starting, streak 1
`,
		},
		"an unhealthy service that answers is healthy": {
			Check{Interval: time.Second, Retries: 1, StartPeriod: time.Millisecond, StartInterval: time.Millisecond},
			5, 0, from(2 * time.Second),
			`0s exit 1: starting, streak 0
1ms exit 1: unhealthy, streak 1
1.001s exit 1: unhealthy, streak 2
2.001s exit 0: healthy, streak 0
3.001s exit 0: healthy, streak 0
`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, play(test.check, test.probes, test.took, test.healthy)); diff != "" {
				t.Errorf("probes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAFailureCountsAfterTheFirstSuccessWhateverItsTime(t *testing.T) {
	c := Check{Retries: 1}
	s := c.Begin(start)
	s.Status = Healthy // adopted from an earlier engine
	if s = c.Next(s, Result{Start: start, End: start, ExitCode: 1}); s.Status != Unhealthy {
		t.Errorf("state %+v", s)
	}
}

func TestLogKeepsTheLastFive(t *testing.T) {
	c := Check{}
	s := c.Begin(start)
	var before State
	for i := range 7 {
		before = s
		s = c.Next(s, Result{Start: s.Due, End: s.Due, Output: fmt.Sprint(i)})
	}
	printed := func(s State) (out string) {
		for _, r := range s.Log {
			out += r.Output
		}
		return out
	}
	if got := printed(s); got != "23456" {
		t.Errorf("log %q", got)
	}
	if got := printed(before); got != "12345" {
		t.Errorf("Next changed the state it was given: log %q", got)
	}
}

// docker is when Docker sees a service healthy, or calls it unhealthy, that
// answers from ready on: the model that the rule may not be worse than.
func docker(c Check, took, ready time.Duration) (Status, time.Duration) {
	c = c.withDefaults()
	streak := 0
	for now := time.Duration(0); ; now += took {
		if now < c.StartPeriod {
			now += c.StartInterval
		} else {
			now += c.Interval
		}
		if now >= ready {
			return Healthy, now + took
		}
		if now >= c.StartPeriod {
			streak++
		}
		if streak == c.Retries {
			return Unhealthy, now + took
		}
	}
}

func tiffin(c Check, took, ready time.Duration) (Status, time.Duration) {
	s := c.Begin(start)
	for s.Status == Starting {
		r := Result{Start: s.Due, End: s.Due.Add(took)}
		if r.Start.Sub(start) < ready {
			r.ExitCode = 1
		}
		s = c.Next(s, r)
	}
	return s.Status, s.Log[len(s.Log)-1].End.Sub(start)
}

func TestNeverWorseThanDocker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(label string, low, high int) time.Duration {
			return time.Duration(rapid.IntRange(low, high).Draw(t, label)) * time.Millisecond
		}
		check := Check{
			Interval:      ms("interval", 1, 3000),
			StartPeriod:   ms("start period", 0, 3000),
			StartInterval: ms("start interval", 1, 3000),
			Retries:       rapid.IntRange(1, 4).Draw(t, "retries"),
		}
		// A first probe that takes longer than an interval delays the first regular one.
		interval := min(check.Interval, check.StartInterval)
		took := time.Duration(rapid.Int64Range(0, int64(interval)-1).Draw(t, "took"))
		ready := ms("ready", 0, 10000)
		theirs, theirTime := docker(check, took, ready)
		ours, ourTime := tiffin(check, took, ready)
		if theirs == Healthy && ours != Healthy {
			t.Fatalf("unhealthy after %v; Docker waits until it is healthy after %v", ourTime, theirTime)
		}
		if ours == theirs && ourTime > theirTime {
			t.Fatalf("%s after %v, with Docker after %v", ours, ourTime, theirTime)
		}
		if ours == Unhealthy && ourTime < theirTime {
			t.Fatalf("unhealthy after %v, with Docker only after %v", ourTime, theirTime)
		}
	})
}

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		check Check
		want  string
	}{
		"nothing set":            {Check{}, "<nil>"},
		"a millisecond":          {Check{Interval: time.Millisecond}, "<nil>"},
		"too short a timeout":    {Check{Timeout: time.Microsecond}, "health check: timeout 1µs is less than 1ms"},
		"a negative period":      {Check{StartPeriod: -1}, "health check: start period -1ns is less than 1ms"},
		"fewer than no retries":  {Check{Retries: -1}, "health check: retries -1 is negative"},
		"too short a start step": {Check{StartInterval: 1}, "health check: start interval 1ns is less than 1ms"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := fmt.Sprint(test.check.Validate()); got != test.want {
				t.Errorf("error %q, want %q", got, test.want)
			}
		})
	}
}
