// Package schedule runs jobs by the clock.
//
// Reading order: schedule.go (which jobs are armed, and what was due), entry.go (one job:
// waiting for its time, running it), clock.go (time that is set, and hosts that sleep).
//
// Not here: when five fields are due (engine/cron), and how a job is run: Host does.
package schedule
