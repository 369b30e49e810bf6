package plan

import (
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
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

// pick selects the named services and, withDeps, their dependencies.
//
// Errors: engine.ErrNotFound when a name is no service, engine.ErrInvalid when a
// dependency that is needed is not enabled.
func pick(stack *engine.Stack, names []string, withDeps dependencies) (selection, error) {
	var sel selection
	if len(names) == 0 {
		for i := range stack.Services {
			sel.all = append(sel.all, stack.Services[i].Name)
		}
		sel.targets = slices.Clone(sel.all)
		return sel, checkDependencies(stack, sel)
	}
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		svc, ok := stack.Service(name)
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		sel.all = append(sel.all, name)
		if withDeps == without {
			return
		}
		for _, d := range svc.DependsOn {
			visit(d.Service)
		}
	}
	for _, name := range names {
		if _, ok := stack.Service(name); !ok {
			return sel, engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", name))
		}
		visit(name)
		sel.targets = append(sel.targets, name)
	}
	slices.Sort(sel.all)
	slices.Sort(sel.targets)
	sel.targets = slices.Compact(sel.targets)
	if withDeps == without {
		return sel, nil
	}
	return sel, checkDependencies(stack, sel)
}

type dependencies int

const (
	with dependencies = iota
	without
)

// checkDependencies finds dependencies that no active profile enables, and circles.
func checkDependencies(stack *engine.Stack, sel selection) error {
	for _, name := range sel.all {
		svc, _ := stack.Service(name)
		for _, d := range svc.DependsOn {
			if _, ok := stack.Service(d.Service); !ok && !d.Optional {
				return engine.Problem(engine.ErrInvalid, fmt.Errorf("service %q depends on %q, which is not enabled", name, d.Service))
			}
		}
	}
	return checkCircle(stack, sel.all)
}

func checkCircle(stack *engine.Stack, names []string) error {
	done := map[string]bool{}
	var path []string
	var visit func(name string) error
	visit = func(name string) error {
		if done[name] {
			return nil
		}
		if i := slices.Index(path, name); i >= 0 {
			circle := strings.Join(append(slices.Clone(path[i:]), name), " → ")
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("services depend on each other: %s", circle))
		}
		svc, ok := stack.Service(name)
		if !ok {
			return nil
		}
		path = append(path, name)
		for _, d := range svc.DependsOn {
			if err := visit(d.Service); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		done[name] = true
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}
