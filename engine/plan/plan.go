package plan

import (
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
)

// Plan is what shall be done, in an order in which each step comes after those it
// waits for.
type Plan struct {
	Steps    []Step
	Warnings []string `json:",omitempty"`
}

// Step is one thing to do to one object.
type Step struct {
	Seq  int // from 1, in the order of the plan
	Kind Kind
	// Name is the object as it is shown: demo-web-1, demo_default, nginx:alpine.
	Name  string
	Cause string
	After []Edge `json:",omitempty"`

	// Container is the ID of one that was there when the plan was made; Service and
	// Number name a replica, also one that an earlier step makes.
	Container string `json:",omitempty"`
	Service   string `json:",omitempty"`
	Number    int    `json:",omitempty"`
	// Key is the key of a network or volume in the Stack.
	Key string `json:",omitempty"`
	// Replaces is the ID of the container whose name, addresses and anonymous
	// volumes CreateContainer takes over.
	Replaces string `json:",omitempty"`
	// RenewVolumes leaves the anonymous volumes of the replaced container behind.
	RenewVolumes bool `json:",omitempty"`
	// Condition is what Await waits for.
	Condition engine.Condition `json:",omitempty"`
	// Timeout replaces the container's own time to stop.
	Timeout *engine.Duration `json:",omitempty"`
	Signal  string           `json:",omitempty"`
	// Volumes removes the anonymous volumes with the container.
	Volumes bool `json:",omitempty"`
	// Platform is that of the image to pull.
	Platform string `json:",omitempty"`
}

// Edge says that a step comes after another one.
type Edge struct {
	Seq int
	// Optional goes on, with a warning, when the other step fails.
	Optional bool `json:",omitempty"`
}

// Kind is what a step does.
type Kind string

// The kinds of steps.
const (
	PullImage        Kind = "pull image"
	CreateNetwork    Kind = "create network"
	RecreateNetwork  Kind = "recreate network"
	RemoveNetwork    Kind = "remove network"
	CreateVolume     Kind = "create volume"
	RemoveVolume     Kind = "remove volume"
	RemoveImage      Kind = "remove image"
	CreateContainer  Kind = "create container"
	RenameContainer  Kind = "rename container"
	StartContainer   Kind = "start container"
	StopContainer    Kind = "stop container"
	KillContainer    Kind = "kill container"
	PauseContainer   Kind = "pause container"
	UnpauseContainer Kind = "unpause container"
	RemoveContainer  Kind = "remove container"
	Await            Kind = "await"
)

// ConditionReady is what up --wait waits for: healthy when there is a health check,
// else running.
const ConditionReady engine.Condition = "running_or_healthy"

// String prints one step a line: number, what, why, after which steps.
func (p *Plan) String() string {
	var b strings.Builder
	for i := range p.Steps {
		b.WriteString(p.Steps[i].String())
		b.WriteByte('\n')
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

// String prints a step: `#3 create container demo-web-1 (not there) after #1 #2?`; a
// question mark stands at an edge that may fail.
func (s *Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#%d %s %s", s.Seq, s.Kind, s.Name)
	if s.Kind == Await {
		b.WriteString(" " + conditionWord(s.Condition))
	}
	if s.Cause != "" {
		fmt.Fprintf(&b, " (%s)", s.Cause)
	}
	if len(s.After) > 0 {
		b.WriteString(" after")
	}
	for _, e := range s.After {
		fmt.Fprintf(&b, " #%d", e.Seq)
		if e.Optional {
			b.WriteByte('?')
		}
	}
	return b.String()
}

func conditionWord(c engine.Condition) string {
	switch c {
	case engine.ConditionHealthy:
		return "healthy"
	case engine.ConditionCompleted:
		return "completed"
	case engine.ConditionStarted:
		return "started"
	case ConditionReady:
		return "running or healthy"
	default:
		return string(c)
	}
}

// Empty says that there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Then is one plan after another, renumbered; the second waits for all of the first.
func Then(first, second *Plan) *Plan {
	out := &Plan{Steps: slices.Clone(first.Steps), Warnings: slices.Concat(first.Warnings, second.Warnings)}
	n := len(first.Steps)
	for _, s := range second.Steps {
		after := make([]Edge, 0, n+len(s.After))
		for i := range n {
			after = append(after, Edge{Seq: i + 1})
		}
		for _, e := range s.After {
			after = append(after, Edge{Seq: e.Seq + n, Optional: e.Optional})
		}
		s.Seq, s.After = s.Seq+n, after
		out.Steps = append(out.Steps, s)
	}
	return out
}

// node is a step while the plan is being made: it points to the steps before it.
type node struct {
	Step
	before []dependency
}

type dependency struct {
	node     *node
	optional bool
}

func (n *node) after(others ...*node) *node {
	for _, o := range others {
		if o != nil && o != n {
			n.before = append(n.before, dependency{node: o})
		}
	}
	return n
}

func (n *node) afterOptional(o *node) {
	if o != nil {
		n.before = append(n.before, dependency{node: o, optional: true})
	}
}

// builder collects steps in any order; finish puts them in one.
type builder struct {
	nodes    []*node
	warnings []string
}

func (b *builder) add(s Step, before ...*node) *node {
	n := &node{Step: s}
	b.nodes = append(b.nodes, n)
	return n.after(before...)
}

func (b *builder) warn(format string, args ...any) {
	b.warnings = append(b.warnings, fmt.Sprintf(format, args...))
}

// finish numbers the steps so that each comes after those it waits for; among equals
// the order of adding stays.
//
// Errors: engine.ErrInvalid when the steps wait for each other.
func (b *builder) finish() (*Plan, error) {
	p := &Plan{Warnings: b.warnings}
	seen := map[*node]bool{}
	var visit func(n *node, path []string) error
	visit = func(n *node, path []string) error {
		switch done, known := seen[n]; {
		case done:
			return nil
		case known:
			return fmt.Errorf("%w: steps wait for each other: %s", engine.ErrInvalid, strings.Join(append(path, n.Name), " → "))
		}
		seen[n] = false
		for _, d := range n.before {
			if err := visit(d.node, append(path, n.Name)); err != nil {
				return err
			}
		}
		seen[n] = true
		n.Seq = len(p.Steps) + 1
		n.After = edges(n.before)
		p.Steps = append(p.Steps, n.Step)
		return nil
	}
	for _, n := range b.nodes {
		if err := visit(n, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// edges are sorted, each step once; one that must succeed wins over an optional one.
func edges(before []dependency) []Edge {
	var out []Edge
	for _, d := range before {
		i := slices.IndexFunc(out, func(e Edge) bool { return e.Seq == d.node.Seq })
		if i < 0 {
			out = append(out, Edge{Seq: d.node.Seq, Optional: d.optional})
			continue
		}
		out[i].Optional = out[i].Optional && d.optional
	}
	slices.SortFunc(out, func(a, b Edge) int { return a.Seq - b.Seq })
	return out
}
