// Command tiffin-keeper is the parent of one project's containers. The engine starts
// it from a copy in memory; there is no other use of it. See package keeper.
package main

import (
	"syscall"

	"tiffin/engine/keeper"
)

func main() { syscall.Exit(keeper.Main()) }
