package keeper

import (
	"slices"
	"testing"
)

func TestPauseAfter(t *testing.T) {
	var pauses []int64
	for tries := 1; tries <= 11; tries++ {
		pauses = append(pauses, pauseAfter(tries))
	}
	want := []int64{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
	if !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
}

func TestWhenAnEngineIsRevived(t *testing.T) {
	for _, c := range []struct {
		name        string
		came, tries int64
		next        int64 // after it is lost at 100,000
	}{
		{"the first time at once", 50_000, 0, 100_020},
		{"one that ends soon after it came, later", 99_000, 3, 100_400},
		{"one that stayed for long is a good one", 80_000, 3, 100_020},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := revival{delay: 20, came: c.came, tries: int(c.tries)}
			r.lost(100_000)
			if r.next != c.next {
				t.Errorf("next %d, want %d", r.next, c.next)
			}
		})
	}
}
