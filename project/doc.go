// Package project turns Compose files into a Stack: the only door of compose-go.
//
// It runs in the command line with the caller's rights, so that the engine never
// opens a path that a file names. compose-go knows how files merge; what stands
// around it here is ours: limits in front of it, places (file:line:col) for everything
// that is wrong, and one table that says what becomes of each attribute, so that
// nothing is ignored in silence (docs/compose.md is made from it).
//
//	locate ─▶ read ─▶ check ─▶ compose-go ─▶ consistency ─▶ Stack
//	files,    texts,   schema,   merged       references,     the engine's
//	env       limits   places    model        cycles          document
//
// Reading order: project.go (Load), site.go discover.go name.go (where, which
// environment, which name), source.go (texts and places), schema.go check.go (before
// compose-go), composego.go (the door), consistent.go (after it), stack.go service.go
// and the files of its parts (the translation), attribute.go (the table), config.go
// (tiffin config).
//
// Not here: what happens to a Stack (engine/plan), and anything of the host but files.
package project
