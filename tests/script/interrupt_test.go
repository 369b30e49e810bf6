package script

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// interrupted runs a command and sends it SIGINT each time its output, of both streams,
// matches the next expression. It has to end with 130.
func interrupted(ts *testscript.TestScript, _ bool, args []string) {
	split := slices.Index(args, "--")
	if split < 1 || split == len(args)-1 {
		ts.Fatalf("usage: interrupted REGEXP… -- COMMAND…")
	}
	var when []*regexp.Regexp
	for _, text := range args[:split] {
		re, err := regexp.Compile("(?m)" + text)
		ts.Check(err)
		when = append(when, re)
	}
	ts.Check(ts.Exec("env"))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// env finds the command by the script's PATH, and becomes it.
	cmd := exec.CommandContext(ctx, "env", args[split+1:]...)
	cmd.Env = strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	cmd.Dir = ts.MkAbs(".")
	out := &impatient{when: when, interrupt: func() error { return cmd.Process.Signal(syscall.SIGINT) }}
	stdout, stderr := stream{to: out}, stream{to: out}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	_, _ = ts.Stdout().Write(stdout.text.Bytes())
	_, _ = ts.Stderr().Write(stderr.text.Bytes())
	ts.Logf("[stdout]\n%s[stderr]\n%s", &stdout.text, &stderr.text)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		ts.Fatalf("it ended with %v, want exit status 130", err)
	}
	if len(out.when) > 0 {
		ts.Fatalf("%q was not printed", out.when[0])
	}
}

// impatient interrupts at each expression.
type impatient struct {
	mu        sync.Mutex
	text      []byte
	when      []*regexp.Regexp
	interrupt func() error
}

func (i *impatient) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.text = append(i.text, p...)
	if len(i.when) == 0 || !i.when[0].Match(i.text) {
		return len(p), nil
	}
	i.when = i.when[1:]
	return len(p), i.interrupt()
}

// stream keeps what is written, and passes it on.
type stream struct {
	text bytes.Buffer
	to   *impatient
}

func (s *stream) Write(p []byte) (int, error) {
	s.text.Write(p)
	return s.to.Write(p)
}
