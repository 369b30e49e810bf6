package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Stacks brings projects up and takes them down.
type Stacks interface {
	Up(ctx context.Context, req *call.UpRequest, report engine.Report) error
	Down(ctx context.Context, req *call.DownRequest, report engine.Report) error
}

// Request asks for a project for as long as the call lasts.
type Request struct {
	// Up brings it up; nil holds what is there, after an engine was replaced by another one.
	Up *call.UpRequest `json:",omitempty"`
	// Down takes it away.
	Down call.DownRequest
}

// Holder holds the leases of an engine. The zero value is not usable; see New.
type Holder struct {
	stacks Stacks

	mu   sync.Mutex
	held map[string]context.CancelCauseFunc // by project
}

// New makes a Holder.
func New(s Stacks) *Holder {
	return &Holder{stacks: s, held: map[string]context.CancelCauseFunc{}}
}

// errEnded is why a lease ends that the caller gave back.
var errEnded = errors.New("the lease was given back")

// Hold brings the project up, calls ready, waits for the end of the lease, which is that of ctx at the latest, and
// takes the project away. An engine that ends leaves it to the next one, of which the caller asks it.
//
// Errors: those of Up, after which it is taken away, too; those of Down; engine.ErrConflict for a project that is leased.
func (h *Holder) Hold(ctx context.Context, req *Request, report engine.Report, ready func()) error {
	project := req.Down.Project
	held, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !h.enter(project, cancel) {
		return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("project %s belongs to another command, which will take it down", project)),
			"wait for its end, or choose another name")
	}
	defer h.leave(project)
	var failed error
	if req.Up != nil {
		failed = h.stacks.Up(held, req.Up, report)
	}
	if failed == nil {
		ready()
		<-held.Done()
	}
	cause := context.Cause(held)
	switch {
	case errors.Is(cause, engine.ErrUnavailable):
		return cause
	case errors.Is(failed, engine.ErrUnavailable):
		return failed
	case errors.Is(cause, errEnded):
		failed = nil // the caller has ended it
	}
	return errors.Join(failed, h.stacks.Down(context.WithoutCancel(ctx), &req.Down, report))
}

func (h *Holder) enter(project string, end context.CancelCauseFunc) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[project] != nil {
		return false
	}
	h.held[project] = end
	return true
}

func (h *Holder) leave(project string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, project)
}

// End ends the lease of a project; Hold goes on to take the project away.
//
// Errors: engine.ErrNotFound when there is none.
func (h *Holder) End(project string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	end, ok := h.held[project]
	if !ok {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("project %s has no lease", project))
	}
	end(errEnded)
	return nil
}
