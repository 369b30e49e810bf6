package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/daemon"
	"tiffin/engine/docker"
	"tiffin/engine/socket"
)

// embedded holds the keeper's program, which `make build` puts there before.
//
//go:embed all:embedded
var embedded embed.FS

// stopGrace is how long calls under way may take when the engine stops.
const stopGrace = 5 * time.Second

func newEngine(c *cli) *cobra.Command {
	var readyFD int
	var debug, revived bool
	var link string
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Run the engine in the foreground; stop it, or see how it is",
		Long: `The first command that needs the engine starts it in the background. Run in the
foreground it logs to standard error. Containers run on when it stops.

TIFFIN_DATA_ROOT (/var/lib/tiffin) and TIFFIN_RUN_ROOT (/run/tiffin) move its roots;
its socket is TIFFIN_RUN_ROOT/tiffin.sock, and root's alone: "socket-group" in
TIFFIN_DATA_ROOT/engine.json names a group whose members may use it, and are root by it.`,
		Args: caller.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if next := caller.Successor(); revived && next != "" {
				err := unix.Exec(next, os.Args, os.Environ())
				fmt.Fprintf(c.Err, "%s has taken the place of this engine, but cannot be executed: %v\n", next, err)
			}
			level := slog.LevelInfo
			if debug {
				level = slog.LevelDebug
			}
			return c.runEngine(cmd.Context(), engineOptions{level, link, readyFD, revived})
		},
	}
	cmd.Flags().IntVar(&readyFD, "ready-fd", 0, "")
	cmd.Flags().BoolVar(&debug, "debug", false, "Log more")
	cmd.Flags().StringVar(&link, "docker-socket", "", "Let /var/run/docker.sock lead to the engine's socket while it runs")
	cmd.Flags().Lookup("docker-socket").NoOptDefVal = "/var/run/docker.sock"
	cmd.Flags().BoolVar(&revived, "revived", false, "")
	for _, name := range []string{"ready-fd", "revived"} {
		cmd.Flags().Lookup(name).Hidden = true
	}
	cmd.AddCommand(newEngineStop(c), newEngineStatus(c))
	return cmd
}

// engineOptions are what an engine is told by its flags.
type engineOptions struct {
	level slog.Level
	link  string // of --docker-socket
	// ready, if not 0, is where it says that it listens, or why it does not.
	ready int
	// revived says that a keeper started it, in place of one that was killed.
	revived bool
}

// runEngine serves until it is told to stop. One that a keeper starts is not needed when
// another one was quicker.
func (c *cli) runEngine(ctx context.Context, o engineOptions) error {
	tell := func(string) {}
	if o.ready > 0 {
		f := os.NewFile(uintptr(o.ready), "ready")
		tell = func(text string) {
			fmt.Fprint(f, text)
			_ = f.Close() // the other end reads what was written
		}
	}
	serve := func() error { return c.serve(ctx, o, func() { tell(caller.EngineReady) }) }
	err := serve()
	if o.ready == 0 && !o.revived {
		err = c.OnceFreed(ctx, err, daemon.ErrRunning, serve)
	}
	switch {
	case err == nil, errors.Is(err, caller.ErrInterrupted), errors.Is(err, daemon.ErrNotWanted), o.revived && errors.Is(err, daemon.ErrRunning):
		return nil
	case errors.Is(err, daemon.ErrRunning):
		if tell(caller.EngineElsewhere); o.ready > 0 {
			return nil // who started it knows
		}
		r := c.Roots()
		return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("another engine runs on %s and %s", r.Data, r.Run)), "see `tiffin engine status`")
	default:
		tell(err.Error())
		return err
	}
}

func (c *cli) serve(ctx context.Context, o engineOptions, listening func()) error {
	if os.Geteuid() != 0 {
		return caller.Denied("the engine must be root")
	}
	log := slog.New(slog.NewTextHandler(c.Err, &slog.HandlerOptions{Level: o.level}))
	keeper, err := embedded.ReadFile("embedded/tiffin-keeper")
	if err != nil {
		return engine.Hint(errors.New("this binary was built without its keeper"), "build it with `make build`")
	}
	// Whoever started it: the modes of what it makes are its own, and lists of processes
	// show its name.
	unix.Umask(0o022)
	if err := os.WriteFile("/proc/self/comm", []byte("tiffin"), 0); err != nil { //nolint:forbidigo // no file of ours
		return fmt.Errorf("name the engine: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := c.Roots()
	// What builds leave in their temporary folder when the engine is killed, the next one finds there.
	if err := os.Setenv("TMPDIR", daemon.TempRoot(r.Run)); err != nil {
		return err
	}
	again := []string{"tiffin", "engine", "--revived"}
	if o.link != "" {
		again = append(again, "--docker-socket="+o.link)
	}
	var door *socket.Door
	d, err := daemon.Open(ctx, daemon.Config{
		DataRoot: r.Data, RunRoot: r.Run, Version: version, Keeper: keeper, Command: again, Log: log, Stop: stop,
		Listen: func(kept [][]*os.File) (_ daemon.Door, err error) {
			if o.revived && caller.HasLeft(r) && !socket.Called(kept) {
				return nil, daemon.ErrNotWanted // since the keeper missed it
			}
			door, err = socket.Open(socket.Config{Path: r.Socket(), Settings: filepath.Join(r.Data, "engine.json"), Link: o.link, Kept: kept})
			if err != nil {
				return nil, err
			}
			return door, nil
		},
	})
	if err != nil {
		return err
	}
	log.Info("engine ready", "version", version, "pid", os.Getpid(), "socket", r.Socket())
	listening()
	others := docker.New(docker.Config{Version: version, DataRoot: r.Data, RunRoot: r.Run, Log: log, Closing: ctx}, d)
	server := api.NewServer(d, others, log)
	server.Admit = door.Admit
	err = server.Serve(ctx, stopGrace, door.Listeners()...)
	others.Wait()
	err = errors.Join(err, door.Close())
	_ = os.Remove(r.Socket()) // the next engine replaces it
	log.Info("engine stopped")
	return errors.Join(err, d.Close())
}

func newEngineStop(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the engine; containers run on",
		Long: `The next command that needs the engine starts it again, and so does a connection from a
container that has the engine's socket.`,
		Args: caller.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			stopped, err := c.StopEngine(cmd.Context())
			if err == nil && !stopped {
				fmt.Fprintln(c.Err, "No engine is running.")
			}
			return err
		},
	}
}

func newEngineStatus(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether an engine runs, and what it has",
		Long:  "Exit status: 0 when an engine runs, 1 when none does.",
		Args:  caller.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.ConnectIfRunning()
			if err != nil {
				return err
			}
			if client == nil {
				fmt.Fprintln(c.Out, "No engine is running.")
				return caller.ExitWithError{Code: caller.ExitError}
			}
			info, err := client.Info(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "pid: %d\nversion: %s\nup: %s\nsocket: %s\ndata: %s\nprojects: %d\ncontainers: %d (%d running)\n",
				info.Pid, info.Version, time.Since(info.StartedAt).Round(time.Second), c.Roots().Socket(), info.DataRoot,
				info.Projects, info.Containers, info.Running)
			if info.HostNames != "" {
				_, err = fmt.Fprintf(c.Out, "names on the host: %s\n", strings.TrimPrefix(info.HostNames, "names on the host: "))
			}
			return err
		},
	}
}
