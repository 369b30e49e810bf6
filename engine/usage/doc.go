// Package usage makes answers of what the kernel counts for a container.
//
// It is pure: counters.go takes the control group's counters (of either version), proc.go reads the text of
// files below /proc, for the network's and the machine's.
//
// Not here: reading the files (engine/container, engine/runtime), and rates and percentages, which take two answers
// (cmd/tiffin/stats).
package usage
