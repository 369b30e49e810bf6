// Package engine is the vocabulary: the nouns of tiffin, their rules and errors.
//
// Every other room speaks in these words. A Stack is what the user wants; a
// Container, a Network, a Volume and an Image are what there is. Nothing here does
// any I/O: the types carry data from room to room and over the socket (as JSON),
// and the functions decide (may this container be started? is it to be restarted?).
// The objects hold from the start what the Docker Engine API has to tell about them.
//
// Reading order: stack.go and service.go (what is wanted), container.go and
// status.go (what there is, and its life), mount.go port.go network.go volume.go
// image.go (its parts), restart.go (a rule), event.go progress.go (what is told),
// requests.go (what can be asked of an engine), label.go id.go error.go.
//
// Not here: Compose files (package project), the plan (engine/plan), the wire
// (engine/api), and everything that touches the host.
package engine
