// Package plan decides: from what is wanted and what is there to steps.
//
// Every command that changes a project becomes a Plan: steps with a cause each, and
// edges that say what must come before. The functions are pure, so that `tiffin
// plan` can print what `tiffin up` will do, and the tests compare the text. The
// daemon walks a Plan with all the parallelism that the edges allow and decides
// nothing itself. Waiting (for healthy, for completed) is a step like any other.
//
// Reading order: plan.go (Plan, Step, how they print), builder.go (steps into order),
// observed.go (what is there), select.go (which services), order.go (starts and stops by
// dependency); up.go replicas.go shares.go changes.go (what becomes of each container),
// containers.go networks.go volumes.go pulls.go builds.go (the steps for that), down.go
// (the graph turned round), act.go (start, stop, restart, …), boot.go (what comes back by
// itself), judge.go (what Await waits for).
// The tests bring random Stacks up in a model of the daemon: model_test.go
// property_test.go.
//
// Not here: anything that looks at or changes the host, and Compose files.
package plan
