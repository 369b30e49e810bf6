package output

import (
	"testing"
	"time"

	"tiffin/engine"
)

// A start and an end may both come while the log of the life before is still being read: the event of that start found
// the container followed, and nobody else would tell of that end.
func TestAnEndThatWasNotToldIsNews(t *testing.T) {
	end := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		status engine.Status
		told   time.Time
		want   bool
	}{
		"one before it was told": {engine.StatusExited, end.Add(-time.Second), true},
		"it was told":            {engine.StatusExited, end, false},
		"it runs again":          {engine.StatusRunning, end.Add(-time.Second), false},
	} {
		record := engine.Container{State: engine.State{Status: c.status}}
		if got := isNews(&record, engine.State{FinishedAt: end}, c.told); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
