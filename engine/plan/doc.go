// Package plan decides: from what is wanted and what is there to steps.
//
// Every command that changes a project becomes a Plan: steps with a cause each, and
// edges that say what must come before. The functions are pure, so that `tiffin
// plan` can print what `tiffin up` will do, and the tests compare the text. The
// daemon walks a Plan with all the parallelism that the edges allow and decides
// nothing itself. Waiting (for healthy, for completed) is a step like any other.
//
// Reading order: plan.go (Plan, Step, how they print), observed.go (what is there),
// select.go (which services), up.go replicas.go recreate.go resources.go (from Stack
// to steps), down.go (the graph turned round), act.go (start, stop, restart, …).
//
// Not here: anything that looks at or changes the host, and Compose files.
package plan
