package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	again := func(after time.Duration, streak int, reason string) Restart {
		return Restart{Again: true, After: after, Streak: streak, Reason: reason}
	}
	const short, long = time.Second, 10 * time.Second
	tests := map[string]struct {
		policy RestartPolicy
		state  State
		ran    time.Duration
		want   Restart
	}{
		"no policy is no restart": {
			RestartPolicy{}, State{ExitCode: 1}, short, Restart{Reason: "no restart policy"},
		},
		"a policy of a later version is no restart": {
			RestartPolicy{Mode: "sometimes"}, State{ExitCode: 1}, short, Restart{Reason: "unknown restart policy"},
		},
		"always is also after success": {
			RestartPolicy{Mode: RestartAlways}, State{}, short, again(100*time.Millisecond, 1, "always"),
		},
		"always is not after a stop": {
			RestartPolicy{Mode: RestartAlways}, State{Stopped: true}, short, Restart{Reason: "stopped by a command"},
		},
		"unless-stopped is not after a stop": {
			RestartPolicy{Mode: RestartUnlessStopped}, State{Stopped: true}, short, Restart{Reason: "stopped by a command"},
		},
		"unless-stopped is otherwise always": {
			RestartPolicy{Mode: RestartUnlessStopped}, State{}, short, again(100*time.Millisecond, 1, "unless-stopped"),
		},
		"on-failure is not after success": {
			RestartPolicy{Mode: RestartOnFailure}, State{RestartStreak: 3}, short, Restart{Reason: "exit code 0"},
		},
		"on-failure is after failure": {
			RestartPolicy{Mode: RestartOnFailure}, State{ExitCode: 1}, short, again(100*time.Millisecond, 1, "on-failure"),
		},
		"the back-off doubles": {
			RestartPolicy{Mode: RestartAlways}, State{RestartCount: 3, RestartStreak: 3}, short, again(800*time.Millisecond, 4, "always"),
		},
		"the back-off ends at a minute": {
			RestartPolicy{Mode: RestartAlways}, State{RestartCount: 10, RestartStreak: 10}, short, again(time.Minute, 11, "always"),
		},
		"a back-off of many restarts does not overflow": {
			RestartPolicy{Mode: RestartAlways}, State{RestartStreak: 1 << 30}, short, again(time.Minute, 1<<30+1, "always"),
		},
		"a run that settled begins the back-off again": {
			RestartPolicy{Mode: RestartAlways}, State{RestartCount: 9, RestartStreak: 9}, long, again(100*time.Millisecond, 1, "always"),
		},
		"the next short run goes on from there, not from all restarts": {
			RestartPolicy{Mode: RestartAlways}, State{RestartCount: 10, RestartStreak: 1}, short, again(200*time.Millisecond, 2, "always"),
		},
		"a window replaces the ten seconds": {
			RestartPolicy{Mode: RestartAlways, Window: Duration(time.Minute)}, State{RestartStreak: 2}, long, again(400*time.Millisecond, 3, "always"),
		},
		"a delay replaces the back-off": {
			RestartPolicy{Mode: RestartAlways, Delay: Duration(5 * time.Second)}, State{RestartStreak: 7}, short, again(5*time.Second, 8, "always"),
		},
		"the last attempt": {
			RestartPolicy{Mode: RestartOnFailure, MaxAttempts: 3}, State{ExitCode: 1, RestartCount: 2, RestartStreak: 2}, short, again(400*time.Millisecond, 3, "on-failure"),
		},
		"no attempt is left": {
			RestartPolicy{Mode: RestartOnFailure, MaxAttempts: 3}, State{ExitCode: 1, RestartCount: 3, RestartStreak: 3}, short, Restart{Streak: 3, Reason: "restarts used up"},
		},
		"attempts are counted over runs that settled, as Docker does": {
			RestartPolicy{Mode: RestartOnFailure, MaxAttempts: 3}, State{ExitCode: 1, RestartCount: 3}, long, Restart{Reason: "restarts used up"},
		},
		"but not with a window": {
			RestartPolicy{Mode: RestartOnFailure, MaxAttempts: 3, Window: Duration(5 * time.Second)}, State{ExitCode: 1, RestartCount: 30, RestartStreak: 2}, long, again(100*time.Millisecond, 1, "on-failure"),
		},
		"attempts bound always, too": {
			RestartPolicy{Mode: RestartAlways, MaxAttempts: 1}, State{RestartCount: 1, RestartStreak: 1}, short, Restart{Streak: 1, Reason: "restarts used up"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.policy.Decide(&tt.state, tt.ran)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAtBoot(t *testing.T) {
	t.Parallel()
	started := time.Unix(1, 0)
	states := map[string]State{
		"never started": {},
		"it ran":        {StartedAt: started, ExitCode: ExitUnknown},
		"it succeeded":  {StartedAt: started},
		"it failed":     {StartedAt: started, ExitCode: 1},
		"stopped":       {StartedAt: started, ExitCode: 143, Stopped: true},
	}
	want := map[RestartMode]map[string]bool{
		RestartNo:            {},
		RestartAlways:        {"it ran": true, "it succeeded": true, "it failed": true, "stopped": true},
		RestartUnlessStopped: {"it ran": true, "it succeeded": true, "it failed": true},
		RestartOnFailure:     {"it ran": true, "it failed": true},
	}
	for mode, yes := range want {
		for name, state := range states {
			if got := (RestartPolicy{Mode: mode}).AtBoot(&state); got != yes[name] {
				t.Errorf("%q, %s: %v, want %v", mode, name, got, yes[name])
			}
		}
	}
}
