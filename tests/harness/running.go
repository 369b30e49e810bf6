package harness

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Running is a command that goes on while the test does: an attached up, logs that follow.
type Running struct {
	cmd    *exec.Cmd
	done   chan struct{}
	output output
}

// output collects both streams.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// Start begins a command that ends with the test at the latest.
func (e *Tiffin) Start(tb testing.TB, args ...string) *Running {
	tb.Helper()
	r := &Running{cmd: e.Command(context.WithoutCancel(tb.Context()), args...), done: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = &r.output, &r.output
	if err := r.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // Code tells how it ended
	}()
	tb.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.done
	})
	return r
}

// Output is what the command has said until now, on both streams.
func (r *Running) Output() string {
	r.output.mu.Lock()
	defer r.output.mu.Unlock()
	return r.output.text.String()
}

// Says waits until the command has said something.
func (r *Running) Says(tb testing.TB, what string) {
	tb.Helper()
	heard := Eventually(time.Minute, func() bool {
		select {
		case <-r.done: // nothing more will come
			return true
		default:
			return strings.Contains(r.Output(), what)
		}
	})
	if !heard || !strings.Contains(r.Output(), what) {
		tb.Fatalf("tiffin %s has not said %q:\n%s", strings.Join(r.cmd.Args[1:], " "), what, r.Output())
	}
}

// Interrupt is Ctrl-C.
func (r *Running) Interrupt(tb testing.TB) {
	tb.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		tb.Fatal(err)
	}
}

// Code waits for the end of the command and gives its exit code.
func (r *Running) Code(tb testing.TB) int {
	tb.Helper()
	select {
	case <-r.done:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(commandTimeout):
		tb.Fatalf("tiffin %s is still running:\n%s", strings.Join(r.cmd.Args[1:], " "), r.Output())
		return 0
	}
}
