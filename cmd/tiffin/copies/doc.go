// Package copies is what docker cp knows of paths, and the caller's end of a copy.
//
// Reading order: place.go (pure: which of two paths is in a container, where a copy goes and what it is
// called there), local.go (the caller's own files, with the caller's rights),
// piped.go (both ends at once).
package copies
