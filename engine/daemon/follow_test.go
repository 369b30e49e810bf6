package daemon

import (
	"testing"
	"time"

	"tiffin/engine"
)

// A start and an end may both come while the log of the life before is still being read: the event of that start found
// the container followed, and nobody else would tell of that end.
func TestWhoFollowsHearsOfALifeThatWasOverBeforeItWasLookedFor(t *testing.T) {
	b := openBench(t)
	b.up(t, stack(sh("a", "exit 3")))
	b.until(t, "demo-a-1", (*engine.Container).Ended)
	c, err := b.Container("demo-a-1")
	check(t, err)
	end := c.LastEnd().FinishedAt
	for told, want := range map[time.Time]bool{end.Add(-time.Second): true, end: false} {
		f := &follower{d: b.Daemon, req: &engine.LogRequest{Stay: true}, places: map[string]*place{}, active: 1}
		if got := f.goesOn(t.Context(), c, &place{active: true, end: told}); got != want {
			t.Errorf("told of an end %s before the last one: goes on %v, want %v", end.Sub(told), got, want)
		}
	}
	b.down(t)
}
