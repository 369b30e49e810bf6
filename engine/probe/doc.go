// Package probe looks whether a service is ready, from outside of its container.
//
// The image needs no shell and no curl for it.
//
// Each probe gets what it looks through (a way to connect in the container's network
// namespace, its root, its output), and trusts nothing that comes from there: answers and
// lines are bounded, no redirect is followed, no link leads out of the root.
//
// Reading order: connect.go (port, HTTP), file.go, lines.go (output).
//
// Not here: when to probe and what follows (healthcheck), how a namespace is entered
// (engine/network), how a log is read (engine/logs); engine/container brings them together.
package probe
