package timings

import (
	"cmp"
	"slices"
	"time"
)

// Span is one thing that was done.
type Span struct {
	// Group counts plans in the order in which they were walked, each after all of the one before.
	Group int
	Seq   int // in its plan
	// Subject is the object, What what was done to it: "Container shop-db-1", "start".
	Subject, What string
	After         []int // by Seq
	// Ready is when nothing before it was missing any more, Began when it was its turn.
	Ready, Began, Ended time.Time
	Failed              bool

	// gate is the one before it that ended last, -1: none.
	gate     int
	critical bool
}

// Report is what happened, by when it began.
type Report struct {
	spans []Span
	path  []int
}

// Arrange finds out what waited for what, and the critical path: from what ended last back to what it waited for, and so
// on. To make anything else faster would not have made the whole faster.
func Arrange(spans []Span) *Report {
	r := &Report{spans: slices.Clone(spans)}
	slices.SortStableFunc(r.spans, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), a.Began.Compare(b.Began), cmp.Compare(a.Seq, b.Seq))
	})
	last := -1
	for i := range r.spans {
		r.spans[i].gate = r.gateOf(i)
		if last < 0 || !r.spans[i].Ended.Before(r.spans[last].Ended) {
			last = i
		}
	}
	for i := last; i >= 0; i = r.spans[i].gate {
		r.spans[i].critical = true
		r.path = append(r.path, i)
	}
	slices.Reverse(r.path)
	return r
}

// gateOf is what a span waited for last: of those before it in its plan, or, for those that have none, of the plan before.
func (r *Report) gateOf(i int) int {
	s := &r.spans[i]
	gate, group := -1, 0
	for j := range r.spans {
		b := &r.spans[j]
		var before bool
		if len(s.After) > 0 {
			before = b.Group == s.Group && slices.Contains(s.After, b.Seq)
		} else {
			before = b.Group < s.Group && b.Group >= group
		}
		if j == i || !before {
			continue
		}
		if gate < 0 || b.Group > group || b.Ended.After(r.spans[gate].Ended) {
			gate, group = j, b.Group
		}
	}
	return gate
}

// begin is when the first one could begin, end when the last one ended.
func (r *Report) begin() time.Time {
	return slices.MinFunc(r.spans, func(a, b Span) int { return a.Ready.Compare(b.Ready) }).Ready
}

func (r *Report) end() time.Time {
	return slices.MaxFunc(r.spans, func(a, b Span) int { return a.Ended.Compare(b.Ended) }).Ended
}

func (s *Span) name() string { return s.Subject + " " + s.What }
