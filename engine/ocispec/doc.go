// Package ocispec turns a container into an OCI runtime spec; it does no I/O.
//
// Everything that has to be looked up (who the user is, which numbers a device has,
// where a volume lies, what the host can do) comes in with the Input, so that a spec
// can be compared with a golden file. Each section is a small function; the profile
// is Docker's default, see docs/decisions for where it differs. What a container may
// not ask for is refused here, before anything is created, in words that name it.
//
// Reading order: spec.go (the whole), process.go args.go env.go user.go rlimits.go
// (what runs, as whom), namespaces.go mounts.go tmpfs.go devices.go sysctls.go (what it sees),
// security.go capabilities.go (what it may), resources.go (how much).
//
// Not here: looking things up (engine/container), making any of it real
// (engine/runtime).
package ocispec
