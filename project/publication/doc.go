// Package publication is what of a Compose project goes into a registry.
//
// The files go as they were written, so that variables stay variables. What would lead out of the artifact is
// changed: files that services extend, and env files, go along and lie beside.
//
// Reading order: publication.go (the files), finding.go (what the caller should know before they go), secret.go (what
// looks like a secret), node.go (YAML).
//
// Not here: what is asked of the caller (cmd/tiffin/publish), registries (engine/image/artifact).
package publication
