// Package format writes what commands answer: tables, JSON, and Go templates.
//
// It is what docker's --format does, with the text of others made harmless for a
// terminal. Progress is not here (cmd/tiffin/progress), nor the output of containers
// (cmd/tiffin/lines).
package format
