package main

import (
	"context"
	"errors"
	"os"

	"tiffin/cmd/tiffin/caller"
)

// version is set by the Makefile.
var version = "dev"

// cli is the caller; the commands are its methods.
type cli struct{ *caller.Caller }

func main() {
	os.Exit(run(os.Args))
}

func run(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	c := &cli{caller.New(os.Stdin, os.Stdout, os.Stderr, os.Environ())}
	c.AsCompose = isCompose(args[0])
	stop := c.WatchInterrupts(cancel)
	defer stop()
	root := newRoot(c)
	root.SetArgs(withoutDocker(args[1:]))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if cause := context.Cause(ctx); cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, cause)) {
		err = cause
	}
	return c.Fail(err)
}
