// Package keeper is the tiny process that parents a project's containers.
//
// The engine may be killed, restarted or replaced at any time; the keeper stays. It
// forks every container and exec of one project and is their parent, so that nobody
// else can lose an exit status; it moves what they print into log files; it writes a
// record of every exit to disk before it tells anybody; and it holds descriptors
// that must outlive an engine. It decides nothing: there is no restart policy here,
// no health check, no name of a network.
//
// It is one thread in one loop over epoll with all of its memory given at the start:
// nothing is allocated afterwards, nothing waits for a slow reader, a full disk or a
// child. A peer is an engine on a SOCK_SEQPACKET socket; a later one replaces it and is
// told all there is (protocol.go).
//
// Reading order: protocol.go record.go (what is said, what is written), keeper.go
// loop.go (start, wait), engine.go run.go (what the engine asks for), child.go
// (what children do), pump.go log.go (output), slot.go (what is kept of each).
//
// Not here: what a child does before execve (engine/runtime/program), the engine's
// end of the socket (engine/runtime), reading logs (engine/logs). The program that
// this is the whole of is cmd/tiffin-keeper.
package keeper
