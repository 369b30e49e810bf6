// Package menu is the keys of an attached up, and the line that shows them.
//
// Reading order: keys.go (pure: what a key means, what the line says at a width), menu.go (the line below the output),
// terminal.go (keys one by one, and the terminal as it was on every way out), screen.go (what output goes above).
//
// Who writes to the terminal writes by way of Menu.Write: the line goes, what is written comes, the line is drawn again,
// all in one write. The cursor waits at the line's beginning, so that it can be erased whatever a terminal makes of it
// when its size changes.
//
// A menu has the terminal only while its process is in the foreground: in the background it neither draws nor reads.
//
// Not here: what a key leads to (cmd/tiffin).
package menu
