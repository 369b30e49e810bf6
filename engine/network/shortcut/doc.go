// Package shortcut leads connections to ports on loopback to containers at once.
//
// Reading order: shortcut.go (what is done, and where), bpf.go (programs, and the calls
// of bpf(2)). Why: docs/decisions/0007-ports.md.
package shortcut
