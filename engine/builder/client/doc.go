// Package client is the caller's end of a build: sessions, progress and errors.
//
// BuildKit runs inside the engine, but what a build is made of belongs to the caller: the context, secrets, keys and
// logins are read here, with the caller's rights, and handed out over sessions when the build asks for them. What is
// not asked for never leaves; of a context only what changed is sent. The engine reads none of the caller's paths.
//
// Run makes one solve of all targets that are the same build, one session for each folder however many builds read
// it, and lets builds run side by side unless one takes the image of another as a context. All show one progress.
//
// Reading order: options.go (what is asked for), order.go (which builds there are, and what waits for what; pure),
// run.go, source.go, archive.go and attributes.go (what BuildKit is told of a build), folders.go, session.go, secrets.go
// (what it may ask for), output.go, cache.go, progress.go, failure.go (what BuildKit says, in our words; pure), check.go
// (--check), print.go (--print), usage.go (the cache: du, prune).
//
// Not here: what has to be built (engine/plan), the solver and the store (engine/builder).
package client
