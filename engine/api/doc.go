// Package api is the engine's socket, both ends: what is asked and how it is said.
//
// The engine listens on a unix socket and speaks HTTP. Tiffin's own calls are all
// alike: POST /tiffin/v1/NAME with a JSON body. The answer is JSON, or JSON lines
// when it reports progress (the last line is the result or the error), or, for
// streams of bytes, frames (frame.go). The Docker Engine API shares the socket.
//
// Reading order: backend.go (what the server needs of an engine), call.go (the table
// of calls), server.go and serve.go (the kinds of calls), lines.go and frame.go (the two
// kinds of streams), logs.go, session.go (a process's streams); error.go (kinds of error
// outward and back); client.go, transport.go and session_client.go (the other end).
//
// Not here: what the calls do (engine/daemon), and starting an engine (cmd/tiffin).
package api
