package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/moby/term"

	"tiffin/project"
)

// cli is what every command has: streams, the environment, the global options.
type cli struct {
	in       *os.File
	out, err io.Writer
	env      []string
	opts     globalOptions
	// asCompose says that the program goes by the name docker-compose.
	asCompose bool
	// project is what was loaded: its .env may set what the environment does not.
	project *project.Project

	interrupts  chan os.Signal
	mu          sync.Mutex
	failures    []string        // what went wrong, as it was reported
	onInterrupt func(os.Signal) // set while a command handles signals by itself
	interrupted int             // how often, while no command did
	restore     func()          // makes the terminal as it was
}

func newCLI(in, out, err *os.File, env []string) *cli {
	return &cli{in: in, out: out, err: err, env: env}
}

// getenv looks a variable up in the environment that the program was started with.
func (c *cli) getenv(key string) string {
	v, _ := c.lookupEnv(key)
	return v
}

func (c *cli) lookupEnv(key string) (value string, ok bool) {
	for _, entry := range slices.Backward(c.env) {
		if v, ok := strings.CutPrefix(entry, key+"="); ok {
			return v, true
		}
	}
	return "", false
}

// setting looks up a COMPOSE_ variable, which may stand in the .env of the project, too.
func (c *cli) setting(key string) string {
	if v, ok := c.lookupEnv(key); ok || c.project == nil {
		return v
	}
	v, _ := c.project.Lookup(key)
	return v
}

// takeInterrupts hands signals to the command until the returned function is called.
func (c *cli) takeInterrupts(handler func(os.Signal)) (release func()) {
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

// quietly is a cli that does not warn.
func (c *cli) quietly() *cli {
	return &cli{in: c.in, out: c.out, err: io.Discard, env: c.env, opts: c.opts}
}
