// Package progress shows what the engine reports, as docker compose does.
//
// On a terminal it is a drawing, one line an object, drawn again in place; elsewhere a line an event, or JSON.
//
// Reading order: writer.go (what all have in common; lines and JSON), board.go (what was reported, as rows; it draws
// nothing), drawing.go (rows on a terminal).
//
// Not here: which of them a command takes (cmd/tiffin), the progress of builds (engine/builder/client).
package progress
