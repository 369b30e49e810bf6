package engine

import (
	"fmt"
	"time"

	"github.com/docker/go-units"
)

// StatusText is Docker's: Up 5 minutes (healthy), Exited (1) 3 seconds ago.
func (c *Container) StatusText(now time.Time) string {
	s := &c.State
	up := "Up " + units.HumanDuration(now.Sub(s.StartedAt))
	switch s.Status {
	case StatusCreated, StatusStarting:
		return "Created"
	case StatusPaused:
		return up + " (Paused)"
	case StatusRestarting:
		return fmt.Sprintf("Restarting (%d) %s ago", s.ExitCode, units.HumanDuration(now.Sub(s.FinishedAt)))
	case StatusExited:
		return fmt.Sprintf("Exited (%d) %s ago", s.ExitCode, units.HumanDuration(now.Sub(s.FinishedAt)))
	case StatusRemoving:
		return "Removal In Progress"
	default:
	}
	switch s.Health.Status {
	case HealthNone:
		return up
	case HealthStarting:
		return up + " (health: starting)"
	default:
		return up + " (" + string(s.Health.Status) + ")"
	}
}
