package engine

import (
	"fmt"
	"slices"
)

// Status is where a container is in its life.
//
//	            ┌────────────────────────────────────────────┐
//	            ▼                                            │ policy
//	created ─▶ starting ─▶ running ─▶ stopping ─▶ exited ─▶ restarting
//	   │          │         │   ▲        ▲          │  ▲         │
//	   │          │         ▼   │        │          │  └─────────┘ stop
//	   │          │        paused────────┘          │
//	   │          └─────────────────────────────▶ exited
//	   └──────────────▶ removing ◀──────────────────┘   (gone)
type Status string

// The statuses. The Docker API shows starting as created, and stopping as running.
const (
	StatusCreated    Status = "created"
	StatusStarting   Status = "starting"
	StatusRunning    Status = "running"
	StatusPaused     Status = "paused"
	StatusStopping   Status = "stopping"
	StatusRestarting Status = "restarting" // waits for its back-off
	StatusExited     Status = "exited"
	StatusRemoving   Status = "removing"
)

// Statuses lists them in the order of a life.
func Statuses() []Status {
	return []Status{
		StatusCreated, StatusStarting, StatusRunning, StatusPaused,
		StatusStopping, StatusRestarting, StatusExited, StatusRemoving,
	}
}

// next lists where each status may lead.
func (s Status) next() []Status {
	switch s {
	case StatusCreated:
		return []Status{StatusStarting, StatusRemoving}
	case StatusStarting:
		return []Status{StatusRunning, StatusExited, StatusCreated}
	case StatusRunning:
		return []Status{StatusPaused, StatusStopping, StatusExited}
	case StatusPaused:
		return []Status{StatusRunning, StatusStopping, StatusExited}
	case StatusStopping:
		return []Status{StatusExited}
	case StatusExited:
		return []Status{StatusStarting, StatusRestarting, StatusRemoving}
	case StatusRestarting:
		return []Status{StatusStarting, StatusExited}
	case StatusRemoving:
		return nil
	}
	return nil
}

// To checks a step of life.
//
// Errors: ErrConflict when s does not lead to t.
func (s Status) To(t Status) error {
	if slices.Contains(s.next(), t) {
		return nil
	}
	return fmt.Errorf("%w: a container that is %s cannot become %s", ErrConflict, s, t)
}

// Alive says that there is a process.
func (s Status) Alive() bool {
	switch s {
	case StatusRunning, StatusPaused, StatusStopping:
		return true
	default:
		return false
	}
}

// Docker is the word that the Docker API and compose's tables have for s.
func (s Status) Docker() string {
	switch s {
	case StatusStarting:
		return string(StatusCreated)
	case StatusStopping:
		return string(StatusRunning)
	default:
		return string(s)
	}
}

// Ended says that a container ran, or tried to, and will not run again by itself.
func (c *Container) Ended() bool {
	return c.State.Status == StatusExited || c.State.Status == StatusRemoving ||
		c.State.Status == StatusCreated && c.State.Error != ""
}
