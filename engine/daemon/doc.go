// Package daemon is the one owner of the host's state: it introduces the rooms to each other.
//
// It keeps an index of containers, networks, volumes and projects in memory, backed by
// records, and carries out what the API asks: observe, let engine/plan decide, walk
// the plan. A step is one call into one room, or a short series with an undo list. The
// daemon holds no lock while the host is changed; its mutex guards the index alone, and a
// project is changed by one command at a time.
//
// Reading order: daemon.go (the index), up.go down.go (observe, plan, apply),
// apply.go steps.go await.go (the walker), container.go, create.go mounts.go start.go
// process.go (a container's parts), exec.go attach.go logs.go, recover.go (what a new
// engine finds), records.go, images.go networks.go volumes.go events.go list.go undo.go.
//
// Not here: decisions (engine/plan, engine), and how anything is done to the host.
package daemon
