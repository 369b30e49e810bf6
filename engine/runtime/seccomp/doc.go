// Package seccomp compiles OCI seccomp profiles to the kernel's classic BPF.
//
// The one idea: a profile becomes a decision graph of two-way tests and
// actions, and the graph is written down backwards, so that every jump target
// is known when the jump is written. The graph asks for the architecture, then
// searches the system call number among ranges that share a decision, and
// only then, for the few calls that need it, looks at arguments. Since Linux
// 5.11 the kernel remembers which numbers are allowed whatever their
// arguments, and does not run the filter for them at all.
//
// Where profiles leave room, the answers are runc's: a call newer than all
// that the profile names gets ENOSYS, so that a new libc falls back; an
// unknown architecture kills the thread; x32 gets ENOSYS; an unconditional
// rule wins over conditional ones for the same call, and of conditional ones
// the first; several conditions on one argument are alternatives.
//
// Reading order:
//
//	profile.go   where profiles come from: Docker's default, a JSON file
//	compile.go   Compile, and the checks on a profile
//	lower.go     profile -> per architecture: number -> rules
//	arch.go      the architectures, i386's socketcall and ipc
//	graph.go     rules -> decision graph
//	emit.go      decision graph -> instructions
//	filter.go    the result, and its listing
//	syscalls.go  generated: name -> number on four architectures
//
// Not here: loading a filter (the fork program does it, as its last step),
// and user notification (SCMP_ACT_NOTIFY), which is refused by name.
package seccomp

//go:generate go run ./internal/gensyscalls -o syscalls.go
