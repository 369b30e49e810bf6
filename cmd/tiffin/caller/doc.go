// Package caller is who called the program.
//
// It has the streams and the terminal, the environment, global
// flags, signals, logins, the project that is meant, and the connection to the engine.
//
// Reading order: caller.go (the Caller), load.go (the project), connect.go (the engine,
// which is started if none runs), streams.go terminal.go interrupt.go (what a process
// in a container shares with the caller), progress.go exit.go (what is said, and how the
// program ends), args.go globals.go (what was typed), credentials.go (logins).
//
// Not here: the commands.
package caller
