package harness

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Snapshot is what there is of one engine that a project could leave behind, one line each: "link tv-90493115 (veth)".
type Snapshot map[string]bool

// settle is how long what is going away may take, on a machine that has much else to do: what containers outside of projects
// share is kept for ten seconds after the last of them.
const settle = 20 * time.Second

// Snapshot looks for whatever carries the name of these roots, and for the files of projects below them. Images are
// not among them; nor is anything of another engine.
func (e *Tiffin) Snapshot(tb testing.TB) Snapshot {
	tb.Helper()
	s := Snapshot{}
	for _, look := range []func() (kind string, names []string, err error){
		e.mounts, e.links, e.heldNamespaces, e.controlGroups, e.firewall, e.processes, e.files,
	} {
		kind, names, err := look()
		if err != nil {
			tb.Fatalf("look at %ss: %v", kind, err)
		}
		for _, name := range names {
			s[kind+" "+name] = true
		}
	}
	return s
}

// NothingLeft fails the test when something is there that was not there before. What disappears within
// a few seconds does not count.
func (e *Tiffin) NothingLeft(tb testing.TB, before Snapshot) {
	tb.Helper()
	var left Snapshot
	Eventually(settle, func() bool {
		now := e.Snapshot(tb).without(before)
		if left != nil { // a line that has gone once is no leak, though another may have come
			maps.DeleteFunc(now, func(line string, _ bool) bool { return !left[line] })
		}
		left = now
		return len(left) == 0
	})
	if len(left) > 0 {
		tb.Errorf("left behind:\n  %s", strings.Join(slices.Sorted(maps.Keys(left)), "\n  "))
	}
}

func (s Snapshot) without(before Snapshot) Snapshot {
	rest := maps.Clone(s)
	maps.DeleteFunc(rest, func(line string, _ bool) bool { return before[line] })
	return rest
}
