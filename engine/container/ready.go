package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"

	"tiffin/engine"
	"tiffin/engine/logs"
	"tiffin/engine/network"
	"tiffin/engine/probe"
	"tiffin/healthcheck"
)

// look makes a probe of the engine's own.
func (c *Container) look(ctx context.Context, record *engine.Container, p *engine.Probe) healthcheck.Result {
	output, err := "", errors.New("it is not running")
	if r := c.running(); r != nil {
		output, err = c.lookAt(ctx, record, r, p)
	}
	if err != nil {
		return healthcheck.Result{ExitCode: 1, Output: kept(err.Error())}
	}
	return healthcheck.Result{Output: kept(output)}
}

// kept is as much of a text as a result may have.
func kept(text string) string {
	var o healthcheck.Output
	_, _ = o.Write([]byte(text)) // it takes everything
	return o.String()
}

func (c *Container) lookAt(ctx context.Context, record *engine.Container, r *run, p *engine.Probe) (string, error) {
	switch {
	case p.Port != 0:
		return probe.Port(ctx, serviceOf(record, r), p.Port)
	case p.HTTP != nil:
		return probe.HTTP(ctx, serviceOf(record, r), p.HTTP)
	case p.Log != "":
		return c.awaitLine(ctx, r, p.Log)
	default:
		return c.lookForFile(ctx, r, p.File)
	}
}

// serviceOf is how the container is reached where its first process is, be that a sandbox,
// another container's or the host's network: its pidfd leads there.
func serviceOf(record *engine.Container, r *run) *probe.Service {
	s := &probe.Service{Dial: func(ctx context.Context, proto string, addrs ...netip.AddrPort) (net.Conn, error) {
		return network.Dial(ctx, r.pidfd, proto, addrs...)
	}}
	for _, e := range record.Endpoints {
		for _, a := range []netip.Prefix{e.IPv4, e.IPv6} {
			if a.IsValid() {
				s.Own = append(s.Own, a.Addr())
			}
		}
	}
	slices.SortFunc(s.Own, netip.Addr.Compare)
	return s
}

// awaitLine waits for a line in what the process writes.
func (c *Container) awaitLine(ctx context.Context, r *run, want string) (string, error) {
	re, err := regexp.Compile(want)
	if err != nil {
		return "", err
	}
	lines := probe.Lines{Want: re}
	match, found := "", errors.New("found")
	// The keeper takes the time of the start before it reads any output.
	q := logs.Query{Since: r.process.StartedAt(), Tail: -1, Follow: true, Stdout: true, Stderr: true}
	err = logs.Read(ctx, c.LogDir(), q, nil, func(e logs.Entry) error {
		var ok bool
		if match, ok = lines.Add(int(e.Stream), e.Data); ok {
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		return match, nil
	}
	return "", err
}

// lookForFile looks for a file, as long as ctx allows: one may lie in a file system that
// answers when it likes, and everything waits for a probe. One such look is enough.
func (c *Container) lookForFile(ctx context.Context, r *run, name string) (string, error) {
	if !c.looking.CompareAndSwap(false, true) {
		return "", fmt.Errorf("%s: its file system has not answered yet", name)
	}
	root, err := r.openRoot()
	if err != nil {
		c.looking.Store(false)
		return "", err
	}
	type answer struct {
		text string
		err  error
	}
	came := make(chan answer, 1)
	go func() {
		text, err := probe.File(root, name)
		_ = root.Close() // only looked through
		c.looking.Store(false)
		came <- answer{text, err}
	}()
	select {
	case a := <-came:
		return a.text, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
}
