package watch

import (
	"cmp"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/project/develop"
)

// batch is what a number of changes lead to, in the order in which it is done. Services are sorted by name.
type batch struct {
	rebuild []string
	sync    []transfer
	restart []string
	exec    []command
}

// transfer is what is written into, and removed from, the containers of a service.
type transfer struct {
	service string
	pieces  []piece
}

// piece is one path.
type piece struct {
	source, target string
	removed        bool
	folder         bool
}

// command runs in the containers of a service.
type command struct {
	service string
	hook    engine.Hook
}

// newBatch decides what changes lead to. Folders that come and go are synced, and nothing else: they are no source.
func newBatch(rules []rule, changes []change) batch {
	var b batch
	pieces := map[string][]piece{}
	ran := map[int]bool{}
	for _, c := range changes {
		for i := range rules {
			r := &rules[i]
			if r.Mounted || !r.about(c.path) {
				continue
			}
			if r.Action.Syncs() {
				pieces[r.Service] = append(pieces[r.Service], piece{c.path, r.target(c.path), c.removed, c.folder})
			}
			if !c.folder {
				b.add(r, !ran[i])
				ran[i] = true
			}
		}
	}
	for service, list := range pieces {
		b.sync = append(b.sync, transfer{service, ordered(list)})
	}
	slices.SortFunc(b.sync, func(a, b transfer) int { return strings.Compare(a.service, b.service) })
	b.rebuild, b.restart = unique(b.rebuild), unique(b.restart)
	return b
}

// add notes what a rule asks for beside its syncs.
func (b *batch) add(r *rule, first bool) { //nolint:revive // a command runs once a batch
	switch r.Action {
	case develop.Rebuild:
		b.rebuild = append(b.rebuild, r.Service)
	case develop.Restart, develop.SyncRestart:
		b.restart = append(b.restart, r.Service)
	case develop.SyncExec:
		if first {
			b.exec = append(b.exec, command{r.Service, r.Exec})
		}
	default:
	}
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// ordered has what goes before what comes: a name may go in one place and come in another that leads to the same target.
func ordered(list []piece) []piece {
	slices.SortStableFunc(list, func(a, b piece) int {
		return cmp.Or(cmp.Compare(rank(a.removed), rank(b.removed)), strings.Compare(a.target, b.target))
	})
	return slices.Compact(list)
}

func rank(removed bool) int { //nolint:revive // a property
	if removed {
		return 0
	}
	return 1
}

// count is the number of changes that is told: folders count when there is nothing else.
func (t *transfer) count() int {
	n := 0
	for _, p := range t.pieces {
		if !p.folder {
			n++
		}
	}
	return cmp.Or(n, len(t.pieces))
}
