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
//	env       places   limits    model        cycles          document
//
// Reading order: project.go (Load), site.go discover.go name.go (which files, which
// environment, which name), source.go reach.go (texts and places; include and
// extends), check.go limit.go (each file, before compose-go; what values may be is in
// shape), composego.go (the door; host paths are made absolute in paths), consistent
// (the merged model), envfile.go, stack.go service.go build.go and a file for each part
// of a service (the translation), attribute (the table), checkbuild.go (before a build),
// config.go (tiffin config; hash), flags.go, fault and problem.go (what is wrong, and
// where), suggest.
//
// Not here: what happens to a Stack (engine/plan), and anything of the host but files.
package project
