package caller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
)

// Roots are where the engine keeps things: data survives a reboot, run does not.
type Roots struct{ Data, Run string }

// Roots are those of the environment, or the usual ones.
func (c *Caller) Roots() Roots {
	r := Roots{Data: "/var/lib/tiffin", Run: "/run/tiffin"}
	for key, root := range map[string]*string{DataRootVar: &r.Data, RunRootVar: &r.Run} {
		if v := c.Getenv(key); v != "" {
			*root = v
			// Without a working directory the root stays as it was given.
			if abs, err := filepath.Abs(v); err == nil {
				*root = abs
			}
		}
	}
	return r
}

// What the engine tells who started it: that it listens, or that another one has the
// roots.
const (
	EngineReady     = "ok"
	EngineElsewhere = "elsewhere"
)

// The variables that move the roots.
const (
	DataRootVar = "TIFFIN_DATA_ROOT"
	RunRootVar  = "TIFFIN_RUN_ROOT"
)

// Socket is where the engine listens.
func (r Roots) Socket() string { return filepath.Join(r.Run, "tiffin.sock") }

// StartTimeout bounds how long a command waits for the engine that it started.
const StartTimeout = 20 * time.Second

// Connect returns a client of the engine, which it starts if none runs.
func (c *Caller) Connect(ctx context.Context) (*api.Client, error) {
	client, err := c.answering(ctx)
	switch {
	case client != nil:
		return client, nil
	case os.Geteuid() != 0:
		return nil, Denied("tiffin must be root to make containers")
	case err != nil:
		return nil, err
	}
	r := c.Roots()
	if err := c.startEngine(ctx, r); err != nil {
		return nil, err
	}
	return api.NewClient(r.Socket()), nil
}

// ConnectIfRunning returns nil when no engine runs. One that was killed may be found for a
// moment yet.
func (c *Caller) ConnectIfRunning() (*api.Client, error) {
	socket := c.Roots().Socket()
	switch err := dial(socket); {
	case err == nil && c.isDeserted(c.Roots()):
		return nil, nil
	case err == nil:
		return api.NewClient(socket), nil
	case errors.Is(err, unix.EACCES):
		return nil, Denied("the engine at %s is for root only", socket)
	default:
		return nil, nil
	}
}

// answering is ConnectIfRunning for an engine that answers.
func (c *Caller) answering(ctx context.Context) (*api.Client, error) {
	client, err := c.ConnectIfRunning()
	if client == nil || client.Ping(ctx) != nil {
		return nil, err
	}
	return client, nil
}

// Denied is an error of somebody who is not root.
func Denied(format string, args ...any) error {
	return engine.Hint(engine.Problem(engine.ErrDenied, fmt.Errorf(format, args...)), "run the command with sudo")
}

// Look returns a client for commands that only look at containers; nil when there are
// none. Only what is on disk needs an engine to be started for it.
func (c *Caller) Look(ctx context.Context) (*api.Client, error) {
	client, err := c.answering(ctx)
	if client != nil || err != nil {
		return client, err
	}
	root := c.Roots().Data
	entries, err := os.ReadDir(filepath.Join(root, "containers"))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, Denied("the containers in %s are for root only", root)
	case len(entries) == 0 && (err == nil || errors.Is(err, fs.ErrNotExist)):
		return nil, nil
	default:
		return c.Connect(ctx)
	}
}

// List lists containers. The client is nil when there is no engine, and none is needed.
func (c *Caller) List(ctx context.Context, req *call.ListRequest) (*api.Client, []engine.Container, error) {
	client, err := c.Look(ctx)
	if client == nil || err != nil {
		return nil, nil, err
	}
	list, err := client.List(ctx, req)
	return client, list, err
}

// dial says whether somebody listens.
func dial(socket string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make socket: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	return unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
}

// errElsewhere says that another engine has the roots: a keeper has started it at the same
// time, or it is about to end.
var errElsewhere = errors.New("another engine has its roots and does not answer")

// elsewherePause is how long to wait before looking for that engine again.
const elsewherePause = 20 * time.Millisecond

// startEngine starts the engine in the background and waits until it listens.
// Commands that do so at once take turns.
func (c *Caller) startEngine(ctx context.Context, r Roots) error {
	if err := os.MkdirAll(r.Run, 0o700); err != nil {
		return fmt.Errorf("make run root: %w", err)
	}
	turn, err := LockFile(filepath.Join(r.Run, "start.lock"))
	if err != nil {
		return err
	}
	defer turn.Close() //nolint:errcheck // gives the turn back
	log, err := os.OpenFile(filepath.Join(r.Run, "engine.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open engine log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the engine has its own
	ctx, cancel := context.WithTimeoutCause(ctx, StartTimeout, fmt.Errorf("it was not ready within %s", StartTimeout))
	defer cancel()
	for !c.answers(ctx) {
		err := c.tryEngine(ctx, r, log)
		if errors.Is(err, errElsewhere) {
			select {
			case <-time.After(elsewherePause):
				continue
			case <-ctx.Done():
			}
		}
		if err != nil {
			return engine.Hint(fmt.Errorf("start engine: %w", err), "its log is "+log.Name())
		}
		return nil
	}
	return nil
}

// answers says whether an engine does.
func (c *Caller) answers(ctx context.Context) bool {
	client, _ := c.answering(ctx) // who may not know is told so elsewhere
	return client != nil
}

// tryEngine starts an engine and waits until it listens or has ended.
func (c *Caller) tryEngine(ctx context.Context, r Roots, log *os.File) error {
	ready, tell, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer ready.Close() //nolint:errcheck // it was only read
	if err := errors.Join(c.spawnEngine(ctx, r, log, tell), tell.Close()); err != nil {
		return err
	}
	return awaitReady(ctx, ready)
}

// spawnEngine starts the engine in a session of its own. It outlives the command, so it
// takes over neither the command's open files (a lock of the user's shell would be held for
// ever) nor more of its environment than it needs.
func (c *Caller) spawnEngine(ctx context.Context, r Roots, log, ready *os.File) error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark open files: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe", "engine", "--ready-fd", "3")
	cmd.Args[0] = "tiffin"
	cmd.Dir = "/"
	cmd.Env = append(engineEnvironment(c.Env), DataRootVar+"="+r.Data, RunRootVar+"="+r.Run)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{ready}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// engineEnvironment is what of the user's environment concerns an engine: how to reach
// registries, and Go's own settings.
func engineEnvironment(env []string) []string {
	names := []string{
		"PATH", "HOME", "TZ", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "GODEBUG", "GOTRACEBACK", "GOGC", "GOMEMLIMIT",
	}
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.Contains(names, name)
	})
}

// awaitReady reads what the engine says of its start: "ok", or why it ended.
func awaitReady(ctx context.Context, ready *os.File) error {
	defer context.AfterFunc(ctx, func() { _ = ready.Close() })() // it was only read
	text, err := io.ReadAll(ready)
	switch {
	case string(text) == EngineReady:
		return nil
	case string(text) == EngineElsewhere:
		return errElsewhere
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case len(text) == 0:
		return errors.New("it ended before it was ready")
	default:
		return errors.New(string(text))
	}
}

// LockFile takes an exclusive lock, waiting for it; closing the file gives it back.
func LockFile(path string) (*os.File, error) { return lockFile(path, unix.LOCK_EX) }

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}
