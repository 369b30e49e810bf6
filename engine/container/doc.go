// Package container starts, enters and ends one container.
//
// It takes the rooms that a container is made from (image, volume, network, runtime) in
// the order in which a start needs them, each step with its undo, and takes back in the
// end what was used. A Container is a record, a supervisor that owns its state, and,
// while it runs, a process; it is the Host of its supervisor.
//
// Reading order: container.go (Container, Rooms), start.go (the steps), inside.go
// files.go network.go ports.go etc.go devices.go host.go (what they do), process.go (what
// runs), exec.go attach.go (entering it), keepers.go (who parents it), top.go.
//
// Not here: which container is wanted, and the index of them (engine/daemon); the rules
// of a life (engine/supervisor).
package container
