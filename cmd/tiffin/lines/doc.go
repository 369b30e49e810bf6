// Package lines prints what containers write, each line behind a container's name.
//
// A line is printed when it has ended, whichever pieces it came in, so that the lines
// of several containers and streams never mix.
//
// Not here: reading the output (engine/api), and which of it is wanted (cmd/tiffin).
package lines
