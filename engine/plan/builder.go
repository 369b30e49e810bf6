package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
)

// node is a step while the plan is being made: it points to the steps before it.
type node struct {
	Step
	index  int // order of adding
	before []prior
	// needed and wished say that something comes after it that must, or may, have it.
	needed, wished bool
}

// prior is a step that comes before another one.
type prior struct {
	node *node
	// optional lets the other one go on when this one fails.
	optional bool
}

// after makes n wait for others; nil ones are nothing to wait for.
func (n *node) after(others ...*node) *node {
	for _, o := range others {
		n.wait(prior{node: o})
	}
	return n
}

func (n *node) wait(p prior) {
	if p.node == nil || p.node == n {
		return
	}
	n.before = append(n.before, p)
	p.lead()
}

// lead notes that something comes after p.
func (p prior) lead() {
	if p.optional {
		p.node.wished = true
	} else {
		p.node.needed = true
	}
}

// builder collects steps in any order; finish puts them in one.
type builder struct {
	nodes    []*node
	warnings []string
	changed  []string
}

func (b *builder) add(s Step, before ...*node) *node {
	n := &node{Step: s, index: len(b.nodes)}
	b.nodes = append(b.nodes, n)
	return n.after(before...)
}

func (b *builder) warn(format string, args ...any) {
	b.warnings = append(b.warnings, fmt.Sprintf(format, args...))
}

// addStop stops a container; it returns nil when nothing of it runs or is about to.
func (b *builder) addStop(c *engine.Container, cause string, timeout *engine.Duration) *node {
	if !runs(c) {
		return nil
	}
	return b.add(Step{Kind: StopContainer, Name: c.Name, Cause: cause, Container: c.ID, Service: c.Service, Number: c.Number, Timeout: timeout})
}

// addKill is addStop without a grace, and without hooks.
func (b *builder) addKill(c *engine.Container) *node {
	n := b.addStop(c, "now", nil)
	if n != nil {
		n.Signal = "SIGKILL"
	}
	return n
}

func (b *builder) addRemove(c *engine.Container, cause string, before ...*node) *node {
	return b.add(Step{Kind: RemoveContainer, Name: c.Name, Cause: cause, Container: c.ID, Service: c.Service, Number: c.Number}, before...)
}

// runs says that there is a process, or will be one unless the container is stopped.
func runs(c *engine.Container) bool {
	s := c.State.Status
	return s.Alive() || s == engine.StatusStarting || s == engine.StatusRestarting
}

// finish numbers the steps so that each comes after those it waits for; among equals
// the order of adding stays.
//
// Errors: engine.ErrInvalid when the steps wait for each other.
func (b *builder) finish() (*Plan, error) {
	o := ordering{seen: map[*node]bool{}, plan: &Plan{Warnings: b.warnings, ChangedVolumes: b.changed}}
	for _, n := range b.nodes {
		if err := o.visit(n); err != nil {
			return nil, err
		}
	}
	return o.plan, nil
}

// ordering is a finish under way.
type ordering struct {
	seen map[*node]bool // true: it has its number
	path []string
	plan *Plan
}

func (o *ordering) visit(n *node) error {
	numbered, entered := o.seen[n]
	if numbered {
		return nil
	}
	what := string(n.Kind) + " " + n.Name
	if entered {
		return fmt.Errorf("%w: steps wait for each other: %s", engine.ErrInvalid, strings.Join(append(o.path, what), " → "))
	}
	o.seen[n] = false
	o.path = append(o.path, what)
	slices.SortStableFunc(n.before, func(a, b prior) int { return a.node.index - b.node.index })
	for _, p := range n.before {
		if err := o.visit(p.node); err != nil {
			return err
		}
	}
	o.path = o.path[:len(o.path)-1]
	o.seen[n] = true
	s := n.Step
	s.Seq, s.After = len(o.plan.Steps)+1, edges(n.before)
	s.Optional = s.Optional || s.Kind == Await && n.wished && !n.needed
	n.Seq = s.Seq
	o.plan.Steps = append(o.plan.Steps, s)
	return nil
}

// edges are sorted, each step once; one that must succeed wins over an optional one.
func edges(before []prior) []Edge {
	var out []Edge
	for _, p := range before {
		out = append(out, Edge{Seq: p.node.Seq, Optional: p.optional})
	}
	slices.SortFunc(out, func(a, b Edge) int {
		if a.Seq != b.Seq || a.Optional == b.Optional {
			return cmp.Compare(a.Seq, b.Seq)
		}
		if a.Optional {
			return 1
		}
		return -1
	})
	return slices.CompactFunc(out, func(a, b Edge) bool { return a.Seq == b.Seq })
}
