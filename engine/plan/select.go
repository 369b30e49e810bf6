package plan

import (
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
)

// selection is which services of a Stack a command is about.
type selection struct {
	// all are the targets and, unless left out, what they depend on, sorted.
	all []string
	// targets are those that were named; all of them when none was.
	targets []string
}

func (s selection) has(name string) bool    { _, ok := slices.BinarySearch(s.all, name); return ok }
func (s selection) target(name string) bool { _, ok := slices.BinarySearch(s.targets, name); return ok }

// reach says how far a selection goes.
type reach int

const (
	withDependencies reach = iota
	targetsOnly
)

func reachOf(req *call.UpRequest) reach {
	if req.NoDeps {
		return targetsOnly
	}
	return withDependencies
}

// pick selects the named services, none meaning all, and what they depend on.
//
// Errors: engine.ErrNotFound when a name is no service, engine.ErrInvalid when a
// dependency that is needed is not enabled.
func pick(stack *engine.Stack, names []string, far reach) (selection, error) {
	if len(names) == 0 {
		for i := range stack.Services {
			names = append(names, stack.Services[i].Name)
		}
	}
	sel := selection{targets: slices.Compact(slices.Sorted(slices.Values(names)))}
	for _, name := range sel.targets {
		if _, ok := stack.Service(name); !ok {
			return sel, noSuchService(name)
		}
	}
	sel.all = sel.targets
	if far == targetsOnly {
		return sel, nil
	}
	w := walker{stack: stack, open: map[string]bool{}, done: map[string]bool{}}
	for _, name := range sel.targets {
		if err := w.visit(name); err != nil {
			return sel, err
		}
	}
	sel.all = slices.Sorted(slices.Values(w.order))
	return sel, nil
}

func noSuchService(name string) error {
	return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", name))
}

// walker walks the services of a Stack, dependencies first.
type walker struct {
	stack *engine.Stack
	order []string
	open  map[string]bool
	done  map[string]bool
	path  []string
}

func (w *walker) visit(name string) error {
	if w.done[name] {
		return nil
	}
	if w.open[name] {
		from := slices.Index(w.path, name)
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("services depend on each other: %s", strings.Join(append(w.path[from:], name), " → ")))
	}
	w.open[name] = true
	w.path = append(w.path, name)
	svc, _ := w.stack.Service(name)
	for _, d := range svc.DependsOn {
		if _, ok := w.stack.Service(d.Service); !ok {
			if d.Optional {
				continue
			}
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("service %q depends on %q, which is not enabled", name, d.Service))
		}
		if err := w.visit(d.Service); err != nil {
			return err
		}
	}
	w.path = w.path[:len(w.path)-1]
	w.done[name] = true
	w.order = append(w.order, name)
	return nil
}
