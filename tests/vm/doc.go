// Package vm runs the kernel tests on another kernel than the developer's: one with cgroup v2 alone.
//
// tests/vm/run makes a virtual machine and runs test binaries in it: those of the packages that talk to the kernel,
// and the one of this package, which takes a project with limits up and down and reads what the kernel has of it.
// On any other host with cgroup v2 alone this package's test runs as it is; elsewhere it is skipped.
//
// Reading order: run (the machine), init (its first process), limits_test.go.
package vm
