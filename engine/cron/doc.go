// Package cron says when something is due: the five fields of crontab(5).
//
// Reading order: cron.go (the next time), parse.go (the fields).
//
// Not here: waiting, and what is done then; see engine/schedule.
package cron
