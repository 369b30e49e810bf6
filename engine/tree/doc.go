// Package tree carries changes to the files of a container, as one stream.
//
// The stream is a tar archive of absolute paths, in which an entry may say that its path is to go. Who reads it writes
// into the tree from outside, with the engine's own hands: nothing has to run in the container, nor be there to be
// run. No path leads out of the root (openat2, RESOLVE_IN_ROOT), whatever links the container has laid. A file is
// replaced by a rename, so that who reads it sees the old one or the new one.
//
// Reading order: stream.go (the writing end), apply.go (the reading end), inside.go (folders of a root).
//
// Not here: which container, and whether it runs (engine/container).
package tree
