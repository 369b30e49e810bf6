// Package logs reads what containers wrote: whole, the last lines, or as it comes.
//
// The keeper appends frames (logs/frame) to the file "log" in a folder per
// container; when it gets too long it becomes "log.1", that "log.2", and so on. A
// reader never asks the writer for anything and holds no lock, so a slow or stopped
// one costs nobody else anything; what it has open stays readable when it is renamed
// or removed. Frames are found from the start of a file or from its end, never by
// searching: a container may well print something that looks like a frame.
//
// Following waits on inotify for the folder to change, and ends when the caller says
// that no more will be written.
//
// Reading order: read.go (what can be asked, the loop), files.go (rotation), scan.go
// (frames of a file, both ways), start.go (tail and since), watch.go (inotify).
//
// Not here: writing (engine/keeper), the form of a frame (logs/frame), prefixes and
// colours (cmd/tiffin), the logs of many containers in one stream (engine/daemon).
package logs
