// Command tiffin-keeper is the parent of one project's containers.
//
// As the first process of a container that is to have an init it is that. The engine
// starts it from a copy in memory; there is no other use of it. See package keeper.
package main

import (
	"syscall"

	"tiffin/engine/keeper"
)

func main() {
	if syscall.Getpid() == 1 {
		syscall.Exit(reap())
	}
	syscall.Exit(keeper.Main())
}
