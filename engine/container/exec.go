package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/ocispec"
	"tiffin/engine/runtime"
	"tiffin/healthcheck"
)

// Exec runs a further process in a container. A client that goes away leaves the
// process running; its output is then thrown away.
//
// Errors: engine.ErrConflict when the container does not run; an *engine.ExitError
// of 126 or 127 for a command that cannot be run.
func (c *Container) Exec(ctx context.Context, req *call.ExecRequest, s call.Streams) (int, error) {
	keys, err := parseDetachKeys(req.DetachKeys)
	if err != nil {
		return 0, err
	}
	x, err := c.spawnExec(ctx, req)
	if err != nil {
		return 0, withExitCode(err)
	}
	if s.Ready != nil {
		s.Ready()
	}
	if req.Detach {
		// It ends with the process, or with the engine's connection to the keeper.
		go func() {
			_, _ = x.wait(context.WithoutCancel(ctx), call.Streams{Stdout: io.Discard, Stderr: io.Discard, Ended: s.Ended})
		}()
		return 0, nil
	}
	in := s
	if !req.OpenStdin {
		in.Stdin = nil
	}
	return x.attach(ctx, in, keys)
}

// execution is a further process that runs, and our ends of its streams.
type execution struct {
	process        *runtime.Process
	stdin          *os.File
	stdout, stderr *os.File // nil with a terminal
}

// spawnExec starts a process in a container.
func (c *Container) spawnExec(ctx context.Context, req *call.ExecRequest) (*execution, error) {
	c.mu.Lock()
	r, record := c.run, c.record
	c.mu.Unlock()
	if r == nil || record.State.Status == engine.StatusPaused {
		return nil, engine.Problem(engine.ErrConflict, fmt.Errorf("container %s is not running", record.Name))
	}
	in, err := c.execInput(&record, r, req)
	if err != nil {
		return nil, err
	}
	process, err := ocispec.NewProcess(in, *req)
	if err != nil {
		return nil, err
	}
	filter, err := ocispec.Seccomp(&record, in.Host)
	if err != nil {
		return nil, err
	}
	if req.Privileged {
		filter = nil
	}
	x := &execution{}
	theirs, err := x.open(req)
	if err != nil {
		return nil, err
	}
	k, err := c.rooms.Keepers.Of(ctx, record.Project)
	if err == nil {
		x.process, _, err = c.rooms.Host.Exec(ctx, k, &runtime.Exec{
			ID: engine.NewID(), Container: c.ID, Pidfd: r.pidfd, Process: process, Seccomp: filter, Cgroup: r.cgroup, Stdio: theirs,
		})
	}
	err = errors.Join(err, closeFiles(theirs.Stdin, theirs.Stdout, theirs.Stderr))
	if err != nil {
		return nil, errors.Join(err, closeFiles(x.stdin, x.stdout, x.stderr))
	}
	if req.TTY {
		x.stdin = x.process.Console()
	}
	return x, nil
}

// execInput is what a process in a running container is made from. Its user is looked
// up in the container's own files, by way of its first process.
func (c *Container) execInput(record *engine.Container, r *run, req *call.ExecRequest) (ocispec.Input, error) {
	in := ocispec.Input{Container: record, Host: c.rooms.hostInfo()}
	owner, err := c.rooms.networkOwner(record)
	if err == nil && owner.ID != c.ID { // one that was removed is no reason not to run something
		in.Hostname = c.rooms.hostname(owner)
	}
	in.Links = linkVariables(record.Name, c.rooms.liveLinks(record))
	root, err := r.openRoot()
	if err != nil {
		return in, fmt.Errorf("container %s: %w", record.Name, err)
	}
	defer root.Close() //nolint:errcheck // only looked through
	who := req.User
	if who == "" {
		who = ocispec.User(record)
	}
	in.Identity, err = lookUp(root, who, record.Spec.GroupAdd)
	return in, err
}

// open makes the pipes: theirs for the process, ours in x.
func (x *execution) open(req *call.ExecRequest) (theirs runtime.Stdio, err error) {
	if req.TTY {
		return theirs, nil
	}
	pipes := []struct{ read, write **os.File }{{&x.stdout, &theirs.Stdout}, {&x.stderr, &theirs.Stderr}}
	if req.OpenStdin {
		pipes = append(pipes, struct{ read, write **os.File }{&theirs.Stdin, &x.stdin})
	}
	for _, p := range pipes {
		if *p.read, *p.write, err = os.Pipe(); err != nil {
			return theirs, errors.Join(fmt.Errorf("make pipe: %w", err),
				closeFiles(x.stdin, x.stdout, x.stderr, theirs.Stdin, theirs.Stdout, theirs.Stderr))
		}
	}
	return theirs, nil
}

func closeFiles(files ...*os.File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// attach copies between client and process until the process ends, or the client
// detaches or goes away.
func (x *execution) attach(ctx context.Context, s call.Streams, keys []byte) (int, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if s.Stdin != nil && x.stdin != nil {
		in := s.Stdin
		if x.process.Console() != nil {
			in = &detachReader{in: s.Stdin, keys: keys}
		}
		go func() {
			_, err := io.Copy(x.stdin, in)
			if errors.Is(err, engine.ErrDetached) {
				stop(engine.ErrDetached)
			} else if x.process.Console() == nil {
				_ = x.stdin.Close() // the end of input
			}
		}()
	}
	go relay(ctx, s, x.process.Resize, x.process.Signal)
	type end struct {
		code int
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		code, err := x.wait(context.WithoutCancel(ctx), s)
		ended <- end{code, err}
	}()
	select {
	case e := <-ended:
		return e.code, e.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// wait copies output until the process has ended and its output with it. What a
// background child of it still writes after a moment is left.
func (x *execution) wait(ctx context.Context, s call.Streams) (int, error) {
	var copies sync.WaitGroup
	outputs := map[*os.File]io.Writer{x.stdout: s.Stdout, x.stderr: s.Stderr}
	if console := x.process.Console(); console != nil {
		outputs = map[*os.File]io.Writer{console: s.Stdout}
	}
	for from, to := range outputs {
		if from == nil {
			continue
		}
		copies.Go(func() { drain(to, from) })
	}
	exit, err := x.process.Wait(ctx)
	if errors.Is(err, runtime.ErrKeeperLost) {
		exit, err = x.process.WaitOrphan(ctx)
	}
	if err != nil {
		return 0, err
	}
	deadline := time.Now().Add(outputGrace)
	for f := range outputs {
		if f != nil {
			_ = f.SetReadDeadline(deadline) // then it is read to its end
		}
	}
	copies.Wait()
	code := exit.Code()
	err = closeFiles(x.stdout, x.stderr)
	if x.process.Console() == nil && x.stdin != nil {
		_ = x.stdin.Close() // may be closed already
	}
	x.process.Drop()
	if s.Ended != nil {
		s.Ended(code)
	}
	return code, err
}

// outputGrace is how long output is waited for after the process has ended: a child
// that it left behind may hold the pipe open for ever.
const outputGrace = 200 * time.Millisecond

// drain copies, and goes on reading when nobody takes what is read, so that the process
// is never held up.
func drain(to io.Writer, from io.Reader) {
	if _, err := io.Copy(to, from); err != nil {
		_, _ = io.Copy(io.Discard, from) // see above
	}
}

// RunHook runs a lifecycle hook and returns an error when it fails.
func (c *Container) RunHook(ctx context.Context, h engine.Hook) error {
	code, output, err := c.capture(ctx, &call.ExecRequest{
		Cmd: h.Command, User: h.User, WorkingDir: h.WorkingDir, Env: h.Env, Privileged: h.Privileged,
	})
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("%q exited with code %d: %s", h.Command, code, bytes.TrimSpace([]byte(output)))
	}
	return nil
}

// capture runs a process and returns its code and the beginning of its output. When
// ctx ends, the process is killed.
func (c *Container) capture(ctx context.Context, req *call.ExecRequest) (int, string, error) {
	x, err := c.spawnExec(ctx, req)
	if err != nil {
		return 0, "", err
	}
	defer context.AfterFunc(ctx, func() { _ = x.process.Signal(unix.SIGKILL) })() // it has ended
	var out healthcheck.Output
	code, err := x.wait(context.WithoutCancel(ctx), call.Streams{Stdout: &out, Stderr: &out})
	return code, out.String(), err
}

// Probe implements supervisor.Host.
func (c *Container) Probe(ctx context.Context) healthcheck.Result {
	record := c.Snapshot()
	if p := record.Spec.Healthcheck.Probe; p != nil {
		return c.look(ctx, &record, p)
	}
	test := record.Spec.Healthcheck.Test
	cmd := test[1:]
	if test[0] == "CMD-SHELL" {
		shell := record.Image.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		cmd = append(append([]string{}, shell...), cmd...)
	}
	code, output, err := c.capture(ctx, &call.ExecRequest{Cmd: cmd})
	if err != nil {
		return healthcheck.Result{ExitCode: -1, Output: err.Error()}
	}
	return healthcheck.Result{ExitCode: code, Output: output}
}
