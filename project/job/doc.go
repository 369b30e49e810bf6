// Package job makes services of the jobs of a Compose project.
//
// A job is all that a service is, but it has no replicas: it runs when it is asked to, or
// by the clock. Those that the engine has to know are among the services from here on: those with
// a schedule, and those that the command names.
//
// Not here: when a schedule is due (engine/cron), and who waits for it (engine/schedule).
package job
