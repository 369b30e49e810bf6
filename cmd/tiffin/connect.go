package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/api"
)

// roots are where the engine keeps things: data survives a reboot, run does not.
type roots struct{ data, run string }

func (c *cli) roots() roots {
	r := roots{data: "/var/lib/tiffin", run: "/run/tiffin"}
	if v := c.getenv("TIFFIN_DATA_ROOT"); v != "" {
		r.data = v
	}
	if v := c.getenv("TIFFIN_RUN_ROOT"); v != "" {
		r.run = v
	}
	return r
}

func (r roots) socket() string { return filepath.Join(r.run, "tiffin.sock") }

// startTimeout bounds how long a command waits for the engine that it started.
const startTimeout = 20 * time.Second

// connect returns a client of the engine, which it starts if none runs.
func (c *cli) connect(ctx context.Context) (*api.Client, error) {
	r := c.roots()
	if listening(r.socket()) {
		return api.NewClient(r.socket()), nil
	}
	if os.Geteuid() != 0 {
		return nil, engine.Hint(engine.Problem(engine.ErrDenied, errors.New("tiffin must be root to make containers")),
			"run it with sudo")
	}
	if err := startEngine(ctx, r); err != nil {
		return nil, err
	}
	return api.NewClient(r.socket()), nil
}

// connectIfRunning returns nil when no engine runs.
func (c *cli) connectIfRunning() *api.Client {
	if r := c.roots(); listening(r.socket()) {
		return api.NewClient(r.socket())
	}
	return nil
}

func listening(socket string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	return unix.Connect(fd, &unix.SockaddrUnix{Name: socket}) == nil
}

// startEngine starts the engine in the background, in a session of its own, and
// waits until it listens. Commands that do so at once take turns.
func startEngine(ctx context.Context, r roots) error {
	if err := os.MkdirAll(r.run, 0o700); err != nil {
		return fmt.Errorf("make run root: %w", err)
	}
	turn, err := lockFile(filepath.Join(r.run, "start.lock"))
	if err != nil {
		return err
	}
	defer turn.Close()
	if listening(r.socket()) {
		return nil
	}
	log, err := os.OpenFile(filepath.Join(r.run, "engine.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open engine log: %w", err)
	}
	defer log.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer ready.Close()
	cmd := exec.Command("/proc/self/exe", "engine", "--ready-fd", "3")
	cmd.Args[0] = "tiffin"
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{tell}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = cmd.Start()
	tell.Close()
	if err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	if err := awaitReady(ctx, ready); err != nil {
		return engine.Hint(fmt.Errorf("start engine: %w", err), "its log is "+log.Name())
	}
	return cmd.Process.Release()
}

// awaitReady reads what the engine says of its start: "ok", or why it ended.
func awaitReady(ctx context.Context, ready *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it was not ready within %s", startTimeout))
	defer cancel()
	defer context.AfterFunc(ctx, func() { ready.Close() })()
	text, err := io.ReadAll(ready)
	switch {
	case string(text) == engineReady:
		return nil
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

// lockFile takes an exclusive lock, waiting for it; closing the file gives it back.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}
