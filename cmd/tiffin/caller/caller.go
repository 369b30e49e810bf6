package caller

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/moby/term"

	"tiffin/project"
)

// Caller is who called the program, as every command sees them.
type Caller struct {
	In       *os.File
	Out, Err io.Writer
	Env      []string
	Opts     Options
	// AsCompose says that the program goes by the name docker-compose.
	AsCompose bool
	// Project is what was loaded: its .env may set what the environment does not.
	Project *project.Project

	quiet       bool // see Quietly
	mu          sync.Mutex
	failures    []string        // what went wrong, as it was reported
	onInterrupt func(os.Signal) // set while a command handles signals by itself
	interrupted int             // how often, while no command did
	restore     func()          // makes the terminal as it was
}

// Options are the flags that all commands share, by docker compose's names.
type Options struct {
	Files        []string
	Name         string
	Instance     string
	Directory    string
	Profiles     []string
	EnvFiles     []string
	ANSI         string
	Progress     string
	Parallel     int
	DryRun       bool
	Compatible   bool
	AllResources bool
	// Yes answers all questions (-y).
	Yes bool
}

// New is a caller with these streams and environment.
func New(in, out, err *os.File, env []string) *Caller {
	return &Caller{In: in, Out: out, Err: err, Env: env}
}

// Getenv looks a variable up in the environment that the program was started with.
func (c *Caller) Getenv(key string) string {
	v, _ := c.LookupEnv(key)
	return v
}

// LookupEnv is Getenv that tells an empty variable from none.
func (c *Caller) LookupEnv(key string) (value string, ok bool) {
	for _, entry := range slices.Backward(c.Env) {
		if v, ok := strings.CutPrefix(entry, key+"="); ok {
			return v, true
		}
	}
	return "", false
}

// Setting looks up a COMPOSE_ variable, which may stand in the .env of the project, too.
func (c *Caller) Setting(key string) string {
	if v, ok := c.LookupEnv(key); ok || c.Project == nil {
		return v
	}
	v, _ := c.Project.Lookup(key)
	return v
}

// Terminal returns the descriptor of a stream if it is a terminal.
func Terminal(stream any) (fd uintptr, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile {
		return 0, false
	}
	return f.Fd(), term.IsTerminal(f.Fd())
}

// Quietly is a caller that is not warned.
func (c *Caller) Quietly() *Caller {
	return &Caller{In: c.In, Out: c.Out, Err: io.Discard, Env: c.Env, Opts: c.Opts, quiet: true}
}
