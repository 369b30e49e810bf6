// Package publish has the command that puts a project into a registry.
//
// Reading order: command.go (what is done), question.go (pure: what the caller has to agree to).
//
// Not here: what is published (project/publication), how it lies in a registry (engine/image/artifact).
package publish
