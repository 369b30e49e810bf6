// Package runtime creates, enters, signals and ends OCI containers.
//
// Its input is an OCI runtime spec in memory and open descriptors; it knows nothing of images, services or networks. It
// runs nothing itself: it compiles a spec to a list of system calls (package program) and has a keeper (package keeper) fork a
// child that does them, up to execve. So the one idea is: whatever has a path is opened here, before the fork; from then on only
// descriptors count, and in the child a path of the container is resolved inside of it, once.
//
//	Host.Start: open ──▶ compile ──▶ Keeper.run ──▶ Process
//	            paths    pure:       one message,   Wait, Signal,
//	                     golden      descriptors    Resize, Drop
//	                     tests
//
// Reading order:
//
//	container.go start.go         what a container is started from, how
//	compile.go                    the order of a program's steps, and why
//	compile_root.go compile_dev.go compile_process.go compile_exec.go    its parts
//	mount_options.go tree.go overlay.go     mounts, as detached trees
//	capability.go rlimit.go filter.go device.go host.go    what is given, and what the host allows
//	keeper_start.go keeper.go process.go    the engine's end of a keeper
//	cgroup_tree.go cgroup.go      control groups: where, and one container's
//	cgroup_resources.go cgroup_devices.go cgroup_events.go cgroup_stats.go cgroup_leaf.go    limits, events, counters
//	errors.go
//
// Not here: forking and interpreting (engine/runtime/program), seccomp profiles (engine/runtime/seccomp), the keeper itself
// (engine/keeper), what a service's container should look like (engine/ocispec). User namespaces, hooks and checkpoints are
// refused by name.
package runtime
