// Package supervisor drives one container through its states, in one goroutine.
//
// The goroutine owns the State. Commands are messages with a reply; the end of the
// process, a verdict of the health check and the restart timer are further messages.
// What must be done to the host (make the process, take back what it used, run a
// probe, write the record) is done by the Host that the daemon hands in, so the
// rules of a container's life can be read and tested here without a kernel.
//
// Reading order: supervisor.go (the commands), loop.go (one method a status), stop.go,
// watch.go (the end of the process, and its health).
//
// Not here: how a container is started (engine/daemon, engine/runtime), the restart
// rule (engine.RestartPolicy) and the health rule (package healthcheck).
package supervisor
