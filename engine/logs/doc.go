// Package logs reads what containers have written: whole, the last lines, or as it comes.
//
// The keeper appends frames (logs/frame) to the file "log" of a container's folder and
// renames it to log.1, log.2 … when it is full. A reader never waits for the writer nor
// the writer for a reader: both look at files only, and the kernel (inotify) tells the
// reader that there is more.
//
// Reading order: read.go (Query, Entry, Read), set.go (the files of a log, in order),
// tail.go (where the last lines begin), follow.go.
//
// Not here: writing (engine/keeper), lines and prefixes (cmd/tiffin).
package logs
