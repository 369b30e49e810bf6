// Package daemon owns the host's state and introduces the rooms to each other.
//
// It keeps an index of containers, networks, volumes and projects in memory, backed by
// records, and carries out what the API asks: observe, let engine/plan decide, walk
// the plan. The daemon holds no lock while the host is changed; its mutex guards the
// index alone, and a project is changed by one command at a time.
//
// Reading order: daemon.go (the index), up.go down.go run.go (observe, plan, apply),
// apply.go steps.go await.go ports.go (the walker), create.go mounts.go remove.go
// container.go (containers in the index), recover.go records.go boot.go (what a new engine
// finds), images.go networks.go volumes.go logs.go events.go list.go entry.go.
//
// Not here: decisions (engine/plan, engine), how one container is started and entered
// (engine/container), and how anything is done to the host.
package daemon
