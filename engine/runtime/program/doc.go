// Package program is what a child does between clone and execve, as data.
//
// A program is a list of raw system calls with their arguments already in memory.
// The engine composes it with a [Builder] and sends it to the keeper as bytes; the
// keeper checks the bytes ([Code.Load]), forks ([Fork]) and the child interprets
// them: one function, no Go runtime, no allocation, no stack growth, nothing
// re-executed. Because it is data, a program can be printed ([Program.String]),
// compared in golden tests and fuzzed; and because the child has one thread, it can
// do what a Go process cannot, such as joining a user namespace.
//
// The child has 512 registers. The first ones hold the descriptors that come with
// the program ([Builder.Input], in the order of the calls); results of calls go to
// others ([Builder.Register], [Step.Into]). An argument of a call is an immediate
// ([Imm]), a register ([Reg]) or the address of something in the data section
// ([Data]: [Builder.Str], [Builder.Bytes], [Builder.Ptrs] …). There are no loops:
// jumps lead forward.
//
// The child closes every descriptor above 2 that is not the program's, clears the
// signal mask and sets all handlers to the default before the first step. A step
// that gets an errno that it does not tolerate ends the child with a [Report] of its
// number, for which [Program.Label] has the words: "mount /data". What is left open
// and close-on-exec, the pipe of the report too, is closed by execve; that is how the
// parent learns that it has happened.
//
// A program may do whatever its author may do: checking it protects the memory of
// the process that forks, it is no sandbox.
//
// Reading order: arg.go builder.go data.go (composing), encode.go load.go (the
// bytes), fork.go interpret.go report.go (running), string.go names.go (printing).
//
// Not here: what a container needs done (engine/runtime), who forks (engine/keeper).
package program
