package main

import (
	"io"
	"os"
	"strings"
	"sync"

	"github.com/moby/term"
)

// cli is what every command has: streams, the environment, the global options.
type cli struct {
	in       *os.File
	out, err io.Writer
	env      []string
	opts     globalOptions

	interrupts  chan os.Signal
	mu          sync.Mutex
	onInterrupt func(count int) // set while a command handles signals by itself
	interrupted int
}

func newCLI(in, out, err *os.File, env []string) *cli {
	return &cli{in: in, out: out, err: err, env: env}
}

// getenv looks a variable up in the environment that the program was started with.
func (c *cli) getenv(key string) string {
	for i := len(c.env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(c.env[i], key+"="); ok {
			return v
		}
	}
	return ""
}

// takeInterrupts hands signals to the command until the returned function is called.
func (c *cli) takeInterrupts(handler func(count int)) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onInterrupt = handler
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.onInterrupt = nil
	}
}

// terminal returns the descriptor of a stream if it is a terminal.
func terminal(stream any) (fd uintptr, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile {
		return 0, false
	}
	return f.Fd(), term.IsTerminal(f.Fd())
}

// globalOptions are the flags that all commands share, by docker compose's names.
type globalOptions struct {
	files       []string
	name        string
	directory   string
	profiles    []string
	envFiles    []string
	ansi        string
	progress    string
	parallel    int
	dryRun      bool
	compatible  bool
	allResource bool
}
