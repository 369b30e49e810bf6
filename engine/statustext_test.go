package engine

import (
	"testing"
	"time"
)

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for want, s := range map[string]State{
		"Created":                          {Status: StatusCreated},
		"Up 5 minutes":                     {Status: StatusRunning, StartedAt: ago(5 * time.Minute)},
		"Up 2 hours (healthy)":             {Status: StatusRunning, StartedAt: ago(2 * time.Hour), Health: Health{Status: Healthy}},
		"Up 3 seconds (health: starting)":  {Status: StatusRunning, StartedAt: ago(3 * time.Second), Health: Health{Status: HealthStarting}},
		"Up 3 days (unhealthy)":            {Status: StatusRunning, StartedAt: ago(72 * time.Hour), Health: Health{Status: Unhealthy}},
		"Up 10 seconds":                    {Status: StatusStopping, StartedAt: ago(10 * time.Second)},
		"Up 1 second (Paused)":             {Status: StatusPaused, StartedAt: ago(time.Second)},
		"Exited (137) 4 weeks ago":         {Status: StatusExited, ExitCode: 137, FinishedAt: ago(30 * 24 * time.Hour)},
		"Restarting (1) About an hour ago": {Status: StatusRestarting, ExitCode: 1, FinishedAt: ago(time.Hour)},
		"Removal In Progress":              {Status: StatusRemoving},
	} {
		if got := (&Container{State: s}).StatusText(now); got != want {
			t.Errorf("%s: got %q, want %q", s.Status, got, want)
		}
	}
}
