// Package classic is POST /build: a context in, text out.
//
// BuildKit builds, as it does for everybody; the context, the body of a request, is handed to it over a session of the
// server's own. What clients parse is as Docker's first builder had it: steps, the ID of the image, what was tagged. A
// client that asks for version 2 gets BuildKit's own progress instead.
//
// Nothing in a request leads to a file of the engine's machine: a context is the body or comes from the network.
//
// Reading order: request.go (the query; pure), progress.go (BuildKit's progress as text; pure), failure.go (what went
// wrong, in Docker's words; pure), run.go, prune.go.
package classic
