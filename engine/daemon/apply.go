package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/network"
	"tiffin/engine/plan"
)

// maxParallel bounds the steps of one plan that are under way at once; those that wait
// do not count.
const maxParallel = 32

// walk carries out one plan: each step as soon as the steps before it are done. It
// holds no policy; what a step means is in steps.go.
type walk struct {
	d      *Daemon
	stack  *engine.Stack
	auths  map[string]call.RegistryAuth
	report engine.Report
	slots  chan struct{}

	mu   sync.Mutex
	made map[replicaKey]string // replicas that a step of this plan made
	// ports are reserved for containers that this plan will start.
	ports map[replicaKey]*network.Reservation
	// former are the containers as they were observed, for what a replacement takes over.
	former map[string]engine.Container
	// timings says that times are reported; plans counts those that were walked.
	timings bool
	plans   int
	// failed are the steps that failed or were skipped, by number.
	failed []int
}

type replicaKey struct {
	service string
	number  int
}

// errSkipped is the end of a step whose predecessor failed; the first error tells.
var errSkipped = errors.New("skipped")

// apply walks the plan and returns the first error in the order of the plan. An
// error stops the steps that depend on it; the others go on, as users of compose expect
// of services that have nothing to do with each other.
func (w *walk) apply(ctx context.Context, p *plan.Plan, parallel int) error {
	if parallel <= 0 || parallel > maxParallel {
		parallel = maxParallel
	}
	w.plans++
	w.slots = make(chan struct{}, parallel)
	for _, text := range p.Warnings {
		w.report(engine.Progress{Status: engine.Warning, Text: text})
	}
	results := make([]*result, len(p.Steps))
	for i := range p.Steps {
		results[i] = &result{done: make(chan struct{})}
	}
	var wg sync.WaitGroup
	for i := range p.Steps {
		wg.Go(func() {
			defer close(results[i].done)
			results[i].err = w.run(ctx, &p.Steps[i], results)
		})
	}
	wg.Wait()
	for i, r := range results {
		if r.err != nil {
			w.failed = append(w.failed, i+1)
		}
	}
	return firstError(ctx, results)
}

type result struct {
	done chan struct{}
	err  error
}

func firstError(ctx context.Context, results []*result) error {
	var skipped error
	for _, r := range results {
		switch {
		case r.err == nil:
		case errors.Is(r.err, errSkipped):
			skipped = r.err
		case ctx.Err() != nil && errors.Is(r.err, context.Canceled):
			skipped = context.Cause(ctx)
		default:
			return r.err
		}
	}
	return skipped
}

// mayWait says that a step of this kind does little but wait, some of them for seconds:
// those beyond maxParallel would wait their time after the first ones have.
func mayWait(k plan.Kind) bool {
	return k == plan.Await || k == plan.Monitor || k == plan.RunHook || k == plan.Proceed || k == plan.StopContainer || k == plan.RestartContainer
}

// run waits for the steps before s and then does it.
func (w *walk) run(ctx context.Context, s *plan.Step, results []*result) error {
	failures := 0
	for _, e := range s.After {
		before := results[e.Seq-1]
		select {
		case <-before.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if before.err == nil {
			continue
		}
		if failures++; !e.Optional || s.Kind == plan.Proceed && failures > s.MayFail {
			return errSkipped
		}
		if errors.Is(before.err, errSkipped) && s.Kind == plan.CreateContainer {
			continue // an old replica that stays, since no new one does its work
		}
		w.report(engine.Progress{Status: engine.Warning, ID: s.Subject(), Text: fmt.Sprintf("optional dependency failed to start: %v", before.err)})
	}
	ready := time.Now()
	if mayWait(s.Kind) {
		return w.timed(ctx, s, ready)
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-w.slots }()
	return w.timed(ctx, s, ready)
}

// timed does a step, and reports its times to who asked for them.
func (w *walk) timed(ctx context.Context, s *plan.Step, ready time.Time) error {
	if !w.timings {
		return w.step(ctx, s)
	}
	t := &engine.StepTiming{Plan: w.plans, Seq: s.Seq, Subject: s.Subject(), What: s.Verb(), Ready: ready, Began: time.Now()}
	for _, e := range s.After {
		t.After = append(t.After, e.Seq)
	}
	err := w.step(ctx, s)
	t.Ended, t.Failed = time.Now(), err != nil
	w.report(engine.Progress{Timing: t})
	return err
}

// container finds the container that a step is about: one that was there, or the
// replica that an earlier step made.
func (w *walk) container(s *plan.Step) (*container.Container, error) {
	id := s.Container
	if id == "" {
		w.mu.Lock()
		id = w.made[replicaKey{s.Service, s.Number}]
		w.mu.Unlock()
	}
	return w.d.byID(id)
}
