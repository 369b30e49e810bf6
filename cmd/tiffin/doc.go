// Command tiffin runs the stack of a Compose file with its own container runtime.
//
// One file a command: up.go holds `tiffin up`. A command reads flags, loads the
// project with the caller's rights, asks the engine and shows what it answers; it
// decides nothing. The engine is the same program (engine.go); the first command that
// needs it starts it (connect.go).
//
// Reading order: main.go, root.go (the commands and global options), cli.go (what
// every command has), connect.go, load.go (from flags to a Stack), then any command;
// progress.go, table.go and terminal.go are what is printed, exit.go the
// errors and exit codes.
package main
