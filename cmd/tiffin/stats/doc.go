// Package stats is the command tiffin stats.
//
// Reading order: command.go (asks the engine, once a second), row.go (two answers → a row, pure), screen.go (rows → what
// is written to a terminal, pure).
//
// Not here: what the kernel counts, and where (engine/usage).
package stats
