package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tiffin/engine"
)

// Plan is what shall be done, in an order in which each step comes after those it
// waits for.
type Plan struct {
	Steps    []Step
	Warnings []string `json:",omitempty"`
	// ChangedVolumes are kept although their definition changed: nobody has agreed to
	// lose their data.
	ChangedVolumes []string `json:",omitempty"`
}

// Step is one thing to do to one object.
type Step struct {
	Seq  int // from 1, in the order of the plan
	Kind Kind
	// Name is the object as it is shown: demo-web-1, demo_default, nginx:alpine.
	Name  string
	Cause string
	After []Edge `json:",omitempty"`
	// Optional says that whatever comes after it may do without it: its failure is a
	// warning, not that of the plan.
	Optional bool `json:",omitempty"`

	// Container is the ID of one that was there when the plan was made; Service and
	// Number name a replica, also one that an earlier step makes.
	Container string `json:",omitempty"`
	Service   string `json:",omitempty"`
	Number    int    `json:",omitempty"`
	// Hook counts the pre_start hooks of Service from 1. RunHook runs it for the replica.
	Hook int `json:",omitempty"`
	// Key is the key of a network or volume in the Stack.
	Key string `json:",omitempty"`
	// Replaces is the ID of the container whose name, addresses and anonymous
	// volumes CreateContainer takes over.
	Replaces string `json:",omitempty"`
	// RenewVolumes leaves the anonymous volumes of the replaced container behind.
	RenewVolumes bool `json:",omitempty"`
	// Condition is what Await waits for.
	Condition engine.Condition `json:",omitempty"`
	// For is how long Monitor watches, and how long Proceed waits.
	For engine.Duration `json:",omitzero"`
	// MayFail is how many of the steps before Proceed may fail.
	MayFail int `json:",omitempty"`
	// Timeout replaces the container's own time to stop.
	Timeout *engine.Duration `json:",omitempty"`
	// Signal is that of KillContainer. StopContainer has one only when it stops with that, and without hooks.
	Signal string `json:",omitempty"`
	// Volumes removes the anonymous volumes with the container.
	Volumes bool `json:",omitempty"`
	// Platform is that of the image to pull or build.
	Platform string `json:",omitempty"`
	// IfMissing are the images of which one has to be missing after the steps before
	// BuildImage; when all are there, it is not needed. None: it is needed.
	IfMissing []string `json:",omitempty"`
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
	BuildImage       Kind = "build image"
	CreateNetwork    Kind = "create network"
	RecreateNetwork  Kind = "recreate network"
	RemoveNetwork    Kind = "remove network"
	CreateVolume     Kind = "create volume"
	RemoveVolume     Kind = "remove volume"
	RemoveImage      Kind = "remove image"
	CreateContainer  Kind = "create container"
	RenameContainer  Kind = "rename container"
	RunHook          Kind = "run hook" // a pre_start container, to its end
	StartContainer   Kind = "start container"
	RestartContainer Kind = "restart container" // lets it go by its policy
	StopContainer    Kind = "stop container"
	KillContainer    Kind = "kill container"
	PauseContainer   Kind = "pause container"
	UnpauseContainer Kind = "unpause container"
	RemoveContainer  Kind = "remove container"
	Await            Kind = "await"
	Monitor          Kind = "monitor" // fails when the container does before its time is over
	Proceed          Kind = "proceed" // goes on with the next replicas of a service
)

// ConditionReady is what up --wait waits for: healthy when there is a health check,
// else running.
const ConditionReady engine.Condition = "running_or_healthy"

// ConditionUpdated is what an update waits for: as ConditionReady, but one that was
// started again by its policy has failed.
const ConditionUpdated engine.Condition = "updated"

// ConditionHealthyAtLast is what Boot waits for in place of healthy: nobody is there who
// would try again, so what is unhealthy may become healthy yet.
const ConditionHealthyAtLast engine.Condition = "healthy_at_last"

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
	cause := s.Cause
	if s.Optional {
		cause += ", optional"
	}
	if s.For > 0 {
		cause = strings.TrimPrefix(fmt.Sprintf("%s, %s", cause, time.Duration(s.For)), ", ")
	}
	if s.MayFail > 0 {
		cause = strings.TrimPrefix(fmt.Sprintf("%s, %d may fail", cause, s.MayFail), ", ")
	}
	if cause != "" {
		fmt.Fprintf(&b, " (%s)", cause)
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
	case ConditionHealthyAtLast:
		return "healthy at last"
	case engine.ConditionCompleted:
		return "completed"
	case engine.ConditionStarted:
		return "started"
	case ConditionReady, ConditionUpdated:
		return "running or healthy"
	default:
		return string(c)
	}
}

// Empty says that there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Then is one plan after another, renumbered: what waits for nothing in the second
// waits for what nothing waits for in the first, and so all of one for all of the other.
func Then(first, second *Plan) *Plan {
	out := &Plan{
		Steps: slices.Clone(first.Steps), Warnings: slices.Concat(first.Warnings, second.Warnings),
		ChangedVolumes: slices.Concat(first.ChangedVolumes, second.ChangedVolumes),
	}
	ends := first.ends()
	n := len(first.Steps)
	for _, s := range second.Steps {
		var after []Edge
		if !slices.ContainsFunc(s.After, func(e Edge) bool { return !e.Optional }) {
			after = slices.Clone(ends)
		}
		for _, e := range s.After {
			after = append(after, Edge{Seq: e.Seq + n, Optional: e.Optional})
		}
		s.Seq, s.After = s.Seq+n, after
		out.Steps = append(out.Steps, s)
	}
	return out
}

// ends are edges to the steps that no other step waits for.
func (p *Plan) ends() []Edge {
	waitedFor := map[int]bool{}
	for i := range p.Steps {
		for _, e := range p.Steps[i].After {
			waitedFor[e.Seq] = true
		}
	}
	var out []Edge
	for i := range p.Steps {
		if seq := p.Steps[i].Seq; !waitedFor[seq] {
			out = append(out, Edge{Seq: seq})
		}
	}
	return out
}
