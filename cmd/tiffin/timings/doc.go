// Package timings says which step of an up waited for what, and how long it took.
//
// Reading order: collector.go (takes what the engine reports), path.go (what waited for what, and the critical path; pure),
// table.go and trace.go (how that is shown; pure).
//
// Not here: when steps begin and end, which the walker of plans knows (engine/daemon).
package timings
