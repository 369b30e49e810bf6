package container

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/logs"
)

// Attach connects a client with the streams of the first process. Output comes from
// the log, so that a slow client never holds the container up. It returns the exit code
// once the container has ended, or could not be started, and, of one that removes itself, has
// gone.
//
// Errors: engine.ErrDetached; what the start says.
func (c *Container) Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error) {
	c.Readers.Add(1)
	code, err := c.attach(ctx, req, s)
	c.Readers.Done()
	if r := c.Snapshot(); err == nil || r.Ended() { // who detaches leaves it running
		c.AwaitRemoval(ctx)
	}
	return code, err
}

// AwaitRemoval returns once a container that removes itself has gone; or when ctx ends.
func (c *Container) AwaitRemoval(ctx context.Context) {
	if !c.Snapshot().Spec.AutoRemove {
		return
	}
	select {
	case <-c.Gone:
	case <-ctx.Done():
	}
}

func (c *Container) attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	now := time.Now()
	q := logs.Query{Tail: -1, Follow: true, Stdout: true, Stderr: true}
	if !req.Replay {
		q.Since = now
	}
	c.mu.Lock()
	c.console = req.ConsoleSize
	c.mu.Unlock()
	in := s
	if !req.Stdin {
		in.Stdin = nil
	}
	keys, err := parseDetachKeys(req.DetachKeys)
	if err != nil {
		return 0, err
	}
	awaitEnd, begun := c.AwaitEnd, true
	if s.Ready != nil {
		awaitEnd, begun = c.comingEnd(), c.running() != nil
		s.Ready()
	}
	if req.Start {
		if err := c.Super.Start(ctx); err != nil {
			return 0, err
		}
	}
	if !begun && !req.Start {
		c.awaitProcess(ctx, now)
	}
	c.feed(ctx, stop, in, keys)
	done := make(chan struct{})
	var end engine.Container
	go func() {
		defer close(done)
		end = awaitEnd(ctx)
	}()
	err = logs.Read(ctx, c.LogDir(), q, done, func(e logs.Entry) error {
		w := s.Stdout
		if call.Stream(e.Stream) == call.Stderr {
			w = s.Stderr
		}
		_, err := w.Write(e.Data)
		return err
	})
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause
	}
	<-done
	return end.State.ExitCode, err
}

// feed passes input, sizes and signals of a client on to the process, until ctx ends.
func (c *Container) feed(ctx context.Context, detach context.CancelCauseFunc, s call.Streams, keys []byte) {
	r := c.running()
	if r == nil {
		return
	}
	if s.Stdin != nil && r.stdin != nil {
		in := s.Stdin
		if r.tty() {
			in = &detachReader{in: s.Stdin, keys: keys}
		}
		go func() {
			_, err := io.Copy(r.stdin, in)
			if errors.Is(err, engine.ErrDetached) {
				detach(engine.ErrDetached)
				return
			}
			// The end of the input is the end of the process's, when it was opened for one client.
			if !r.tty() && ctx.Err() == nil {
				r.closeStdin()
			}
		}()
	}
	go relay(ctx, s, r.process.Resize, func(sig unix.Signal) error { return c.Super.Kill(ctx, sig) })
}

// relay passes sizes of the client's terminal and its signals on, until ctx ends. A
// process that has ended, or has no terminal, does without.
func relay(ctx context.Context, s call.Streams, resize func(columns, rows uint16) error, kill func(unix.Signal) error) {
	for {
		select {
		case size := <-s.Resize:
			_ = resize(uint16(size[1]), uint16(size[0]))
		case name := <-s.Signals:
			if sig, err := ParseSignal(name); err == nil {
				_ = kill(sig)
			}
		case <-ctx.Done():
			return
		}
	}
}
