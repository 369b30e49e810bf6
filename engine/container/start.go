package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
	"tiffin/engine/logs/option"
	"tiffin/engine/network"
	"tiffin/engine/ocispec"
	"tiffin/engine/runtime"
	"tiffin/engine/supervisor"
)

// Start implements supervisor.Host: it makes the container's process. Each step is a
// call into one room; what was made is taken back when a later one fails.
func (c *Container) Start(ctx context.Context) (supervisor.Process, error) {
	c.still.Lock()
	defer c.still.Unlock()
	s := &starter{rooms: c.rooms, c: c, record: c.Snapshot()}
	s.back.Add(func(context.Context) error {
		return errors.Join(c.rooms.unmountVolumes(&s.record), c.rooms.UnmountShm(c.ID))
	})
	c.mu.Lock()
	s.console = c.console
	c.mu.Unlock()
	r, err := s.start(ctx)
	if err != nil {
		return nil, errors.Join(withExitCode(err), s.back.Run(ctx))
	}
	c.mu.Lock()
	c.run = r
	c.mu.Unlock()
	return r, nil
}

// withExitCode gives a command that is not there, or cannot be run, the exit code that
// shells give it.
func withExitCode(err error) error {
	switch {
	case errors.Is(err, runtime.ErrCommandNotFound):
		return &startError{err, &engine.ExitError{Code: 127}}
	case errors.Is(err, runtime.ErrCommandNotExecutable):
		return &startError{err, &engine.ExitError{Code: 126}}
	default:
		return err
	}
}

// startError is an error that carries an exit code beside its text.
type startError struct {
	error
	exit *engine.ExitError
}

func (f *startError) Unwrap() []error { return []error{f.error, f.exit} }

// starter is a start under way.
type starter struct {
	rooms  *Rooms
	c      *Container
	record engine.Container
	back   Undo

	root    *os.File // the root filesystem, a detached mount
	sandbox *network.Sandbox
	ports   *network.Reservation
	console [2]uint
	links   []bridgeLink
	input   ocispec.Input
	held    []*os.File // open until the process runs
}

func (s *starter) start(ctx context.Context) (*run, error) {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"root filesystem", s.mountRoot},
		{"user", s.lookUpUser},
		{"volumes", s.fillVolumes},
		{"failed to set up container networking", s.attachNetworks},
		{"links", s.findLinks},
		{"files", s.writeFiles},
		{"devices", s.findDevices},
	} {
		if err := step.do(ctx); err != nil {
			s.closeRoot()
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	defer s.closeRoot()
	k, err := s.rooms.Keepers.Of(ctx, s.record.Project)
	if err != nil {
		return nil, err
	}
	if err := s.keepSocket(ctx, k); err != nil {
		s.rooms.Log.Warn("the engine's socket in it will be lost with the engine", "container", s.record.Name, "err", err)
	}
	r, err := s.spawn(ctx, k)
	if err != nil {
		return nil, err
	}
	if err := s.publish(ctx); err != nil {
		return nil, errors.Join(err, s.abandon(ctx, r))
	}
	s.keepDescriptors(ctx, k)
	return r, nil
}

func (s *starter) closeRoot() {
	_ = closeFiles(append(s.held, s.root)...) // nothing was written through them
	s.root, s.held = nil, nil
}

// mountRoot stacks the image's layers and the container's own.
func (s *starter) mountRoot(ctx context.Context) error {
	layers, err := s.rooms.Images.Rootfs(ctx, s.record.ImageID)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.rooms.Data, s.record.ID)
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	if err := makeUpper(upper, work); err != nil {
		return err
	}
	for _, d := range []string{filepath.Join(dir, "logs"), s.runDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil { //nolint:gosec // the folder above the root is closed
			return err
		}
	}
	s.root, err = runtime.MountOverlay(layers.Lower, upper, work)
	return err
}

// runDir holds the files that are made for a container at each start.
func (s *starter) runDir() string { return filepath.Join(s.rooms.Run, s.record.ID) }

// lookUpUser finds the numbers of the container's user in its own files.
func (s *starter) lookUpUser(context.Context) error {
	id, err := lookUp(s.root, ocispec.User(&s.record), s.record.Spec.GroupAdd)
	s.input.Identity = id
	return err
}

// spawn compiles the spec and has the keeper run it.
func (s *starter) spawn(ctx context.Context, k *runtime.Keeper) (*run, error) {
	s.input.Container = &s.record
	s.input.Host = s.rooms.hostInfo()
	s.input.CgroupPath = ocispec.CgroupPath(s.rooms.CgroupBase, &s.record)
	spec, err := ocispec.New(s.input)
	if err != nil {
		return nil, err
	}
	if err := s.addRequested(spec); err != nil {
		return nil, err
	}
	if s.console != [2]uint{} {
		spec.Process.ConsoleSize = &specs.Box{Height: s.console[0], Width: s.console[1]}
	}
	cgroup, warnings, err := s.rooms.Host.Cgroups.Create(s.input.CgroupPath, spec.Linux.Resources)
	if err != nil {
		return nil, err
	}
	s.back.Add(cgroup.Destroy)
	s.warn(warnings)
	joins, err := s.joins()
	if err != nil {
		return nil, err
	}
	log, err := os.Open(s.c.LogDir())
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the keeper has its own
	rc := &runtime.Container{
		ID: s.record.ID, Spec: spec, Rootfs: s.root, Cgroup: cgroup, Join: joins,
		Output: runtime.Output{Log: log}, Bundle: s.c.bundle(),
	}
	limits, err := option.Parse(s.record.Spec.Log.Driver, s.record.Spec.Log.Options)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, err)
	}
	rc.Output.MaxSize, rc.Output.MaxFiles = limits.Size, limits.Files
	stdin, err := s.openStdin(rc)
	if err != nil {
		return nil, err
	}
	if ocispec.HasReaper(&s.record.Spec) {
		if rc.Reaper, err = s.rooms.Keepers.Program(); err != nil {
			return nil, err
		}
	}
	p, warnings, err := s.rooms.Host.Start(ctx, k, rc)
	if rc.Stdio.Stdin != nil {
		err = errors.Join(err, rc.Stdio.Stdin.Close())
	}
	if err != nil {
		if stdin != nil {
			err = errors.Join(err, stdin.Close())
		}
		return nil, err
	}
	s.warn(warnings)
	r := &run{process: p, cgroup: cgroup, pidfd: p.Pidfd()}
	if stdin != nil {
		r.stdin = stdin
	} else if console := p.Console(); console != nil && s.record.Spec.OpenStdin {
		r.stdin = console
	}
	return r, nil
}

// openStdin makes the pipe of standard input when the container has one. The keeper
// holds its writing end, too: the end of an engine is no end of input.
func (s *starter) openStdin(rc *runtime.Container) (*os.File, error) {
	if !s.record.Spec.OpenStdin || s.record.Spec.TTY {
		return nil, nil //nolint:nilnil // no input, or the terminal's
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make input pipe: %w", err)
	}
	rc.Stdio.Stdin = r
	return w, nil
}

func (s *starter) warn(warnings []string) {
	for _, w := range warnings {
		s.rooms.Log.Warn("left out", "container", s.record.Name, "what", w)
	}
}

// joins opens the namespaces of others, and the sandbox's.
func (s *starter) joins() (map[specs.LinuxNamespaceType]*os.File, error) {
	out := map[specs.LinuxNamespaceType]*os.File{}
	for kind, id := range ocispec.Joins(&s.record.Spec) {
		if kind == specs.NetworkNamespace {
			continue // it is the sandbox's
		}
		owner, err := s.rooms.Index.Container(id)
		if err != nil {
			return nil, fmt.Errorf("share %s namespace: %w", kind, err)
		}
		r := owner.running()
		if r == nil {
			return nil, engine.Problem(engine.ErrConflict, fmt.Errorf("share %s namespace: container %s is not running", kind, owner.Name()))
		}
		out[kind] = r.pidfd
	}
	if s.sandbox != nil {
		out[specs.NetworkNamespace] = s.sandbox.File()
	}
	return out, nil
}

// abandon ends a process whose start failed after it ran.
func (s *starter) abandon(ctx context.Context, r *run) error {
	err := r.cgroup.Kill(ctx)
	<-r.process.Done()
	r.process.Drop()
	return err
}

// Ended implements supervisor.Host: it takes back what a process had used. The
// sandbox stays: it belongs to the replica.
func (c *Container) Ended(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, undoTimeout)
	defer cancel()
	c.mu.Lock()
	r := c.run
	c.run = nil
	c.mu.Unlock()
	record := c.Snapshot()
	errs := []error{c.unpublish(ctx), c.forgetSocket(ctx), c.rooms.unmountVolumes(&record), c.rooms.UnmountShm(c.ID)}
	if r != nil {
		r.closeStdin()
		errs = append(errs, r.cgroup.Destroy(ctx))
		r.process.Drop()
	}
	if len(record.Spec.DeviceRequests) > 0 {
		errs = append(errs, runtime.Stopped(ctx, c.ID, c.bundle()))
	}
	if err := errors.Join(errs...); err != nil {
		c.rooms.Log.Warn("not all was taken back", "container", record.Name, "err", err)
	}
}
