package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Turn is a point in a container's life, by the name that the OCI gives its hooks.
type Turn string

// The turns. Those before Created are at one point of tiffin's: everything is mounted, and the host's files are still there.
const (
	CreateRuntime   Turn = "createRuntime" // with prestart
	CreateContainer Turn = "createContainer"
	StartContainer  Turn = "startContainer"
	Poststart       Turn = "poststart"
	Poststop        Turn = "poststop"
)

// Bundle is the folder with a container's config.json, and with rootfs, where its root is before the container begins.
type Bundle string

const configFile = "config.json"

// Rootfs is where the root filesystem is mounted for hooks.
func (b Bundle) Rootfs() string { return filepath.Join(string(b), "rootfs") }

// Write makes the bundle.
func (b Bundle) Write(spec *specs.Spec) error {
	if err := os.MkdirAll(b.Rootfs(), 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	// It is made anew at each start, so that no crash can leave a half one in use.
	return os.WriteFile(filepath.Join(string(b), configFile), text, 0o600) //nolint:forbidigo // see above
}

// Read reads the spec of a bundle; nil if there is none.
func (b Bundle) Read() (*specs.Spec, error) {
	text, err := os.ReadFile(filepath.Join(string(b), configFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // most containers have no hooks
	}
	if err != nil {
		return nil, err
	}
	spec := &specs.Spec{}
	return spec, json.Unmarshal(text, spec)
}

// Container is what hooks are run for.
type Container struct {
	ID     string
	Pid    int // 0 once it has ended
	Bundle Bundle
	Spec   *specs.Spec
}

// Run runs the hooks of a turn, one after the other, until one fails.
func (c *Container) Run(ctx context.Context, t Turn) error {
	for _, h := range of(c.Spec.Hooks, t) {
		if err := c.one(ctx, t, h); err != nil {
			return fmt.Errorf("hook %s %s: %w", t, h.Path, err)
		}
	}
	return nil
}

// Each is Run for turns at which nothing is to be stopped: all hooks are run, whatever becomes of one.
func (c *Container) Each(ctx context.Context, t Turn) error {
	var errs []error
	for _, h := range of(c.Spec.Hooks, t) {
		if err := c.one(ctx, t, h); err != nil {
			errs = append(errs, fmt.Errorf("hook %s %s: %w", t, h.Path, err))
		}
	}
	return errors.Join(errs...)
}

func of(h *specs.Hooks, t Turn) []specs.Hook {
	switch {
	case h == nil:
		return nil
	case t == CreateRuntime:
		return slices.Concat(h.Prestart, h.CreateRuntime) //nolint:staticcheck // deprecated, and what older files have
	case t == CreateContainer:
		return h.CreateContainer
	case t == StartContainer:
		return h.StartContainer
	case t == Poststart:
		return h.Poststart
	default:
		return h.Poststop
	}
}

// state is what hooks of a turn are told.
func (c *Container) state(t Turn) specs.State {
	status := map[Turn]specs.ContainerState{
		StartContainer: specs.StateCreated, Poststart: specs.StateRunning, Poststop: specs.StateStopped,
	}[t]
	if status == "" {
		status = specs.StateCreating
	}
	return specs.State{
		Version: specs.Version, ID: c.ID, Status: status, Pid: c.Pid, Bundle: string(c.Bundle), Annotations: c.Spec.Annotations,
	}
}

// Hooks that hang would hang the start: what the OCI leaves open is bounded.
const longest = 2 * time.Minute

// mostOutput is how much of what a hook prints is told when it fails.
const mostOutput = 2000

func (c *Container) one(ctx context.Context, t Turn, h specs.Hook) error {
	if !filepath.IsAbs(h.Path) {
		return errors.New("its path is not absolute")
	}
	limit := longest
	if h.Timeout != nil && *h.Timeout > 0 {
		limit = time.Duration(*h.Timeout) * time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not end within %s", limit))
	defer cancel()
	state, err := json.Marshal(c.state(t))
	if err != nil {
		return err
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = append([]string{}, h.Env...) // nil would be the engine's
	cmd.Dir = string(c.Bundle)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(state), &output, &output
	cmd.WaitDelay = time.Second
	run := cmd.Run
	if t == CreateContainer || t == StartContainer {
		if t == StartContainer {
			cmd.Dir = "/"
		}
		run = func() error { return inside(c.Pid, cmd) }
	}
	if err := run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		said := strings.TrimSpace(output.String())
		if said == "" {
			return err
		}
		return fmt.Errorf("%w: %s", err, said[max(0, len(said)-mostOutput):])
	}
	return nil
}

// inside runs a command in the namespaces of a process, but for that of PIDs.
func inside(pid int, cmd *exec.Cmd) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- enter(fd, cmd)
	}()
	if err := <-done; err != nil {
		return err
	}
	return cmd.Wait()
}

// enter starts a command from a thread that has left the engine's namespaces.
func enter(pidfd int, cmd *exec.Cmd) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // a thread that shares its root cannot change it
		return fmt.Errorf("unshare: %w", err)
	}
	const all = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	if err := unix.Setns(pidfd, all); err != nil {
		return fmt.Errorf("join the container's namespaces: %w", err)
	}
	return cmd.Start()
}
