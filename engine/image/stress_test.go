package image

import (
	"fmt"
	"sync"
	"testing"
)

// Pulls, removals and the collector at the same time: what a pull returned is complete as long as it is held.
func TestPullsAndRemovalsDoNotDisturbEachOther(t *testing.T) {
	r := newShelf(t)
	const apps = 4
	for n := range apps {
		r.push(t, fmt.Sprintf("app%d:v1", n), img{layers: []map[string]string{
			{"base": "base"}, {fmt.Sprint("middle", n%2): "middle"}, {"app": fmt.Sprint(n)},
		}})
	}
	s := open(t, t.TempDir())
	var g sync.WaitGroup
	for n := range apps {
		g.Go(func() {
			name := fmt.Sprintf("%s/app%d:v1", r.host(), n)
			for round := range 15 {
				i, err := s.Pull(t.Context(), name, PullOptions{}, nil)
				if err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
				holder := fmt.Sprint("container", n)
				if err := s.Hold(t.Context(), holder, i.ID); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
				if _, err := s.Remove(t.Context(), name, RemoveOptions{}); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				if got := files(t, s, i.ID); got["app"] != fmt.Sprint(n) || got["base"] != "base" || len(got) != 3 {
					t.Errorf("round %d: %v", round, got)
				}
				if err := s.Release(t.Context(), holder); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
		})
	}
	g.Wait()
	if blobs, layers := left(t, s); blobs+layers > 0 {
		t.Errorf("%d blobs and %d layers are left", blobs, layers)
	}
}
