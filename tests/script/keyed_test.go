package script

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// keyed runs a command on a terminal of its own, which makes signals of keys, and types keys each time its output, since
// the last time, matches the next expression. What it has printed is stdout. It has to end with that exit code, and leave
// the terminal as it was. Keys are written as in a Go string: \x03 is Ctrl-C.
func keyed(ts *testscript.TestScript, _ bool, args []string) {
	split := slices.Index(args, "--")
	if split < 3 || split%2 == 0 || split == len(args)-1 {
		ts.Fatalf("usage: keyed CODE REGEXP KEYS [REGEXP KEYS]… -- COMMAND…")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	steps := args[1:split]
	ts.Check(ts.Exec("env"))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	user, terminal, err := openTerminal()
	ts.Check(err)
	defer func() { _ = user.Close() }()
	before, err := unix.IoctlGetTermios(int(user.Fd()), unix.TCGETS) // those of the other end
	ts.Check(err)
	cmd := exec.CommandContext(ctx, "env", args[split+1:]...)
	cmd.Env = strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	cmd.Dir = ts.MkAbs(".")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	ts.Check(terminal.Close())
	said, steps := typed(ts, user, steps)
	err = cmd.Wait()
	_, _ = ts.Stdout().Write([]byte(strings.ReplaceAll(string(said), "\r\n", "\n")))
	ts.Logf("[terminal]\n%q", said)
	if len(steps) > 0 {
		ts.Fatalf("%q was not printed", steps[0])
	}
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got, err = exit.ExitCode(), nil
	}
	if err != nil || got != code {
		ts.Fatalf("exit code %d, %v, want %d", got, err, code)
	}
	after, err := unix.IoctlGetTermios(int(user.Fd()), unix.TCGETS)
	ts.Check(err)
	if *after != *before {
		ts.Fatalf("the terminal is %+v, was %+v", after, before)
	}
}

// typed types, until nobody has the other end of the terminal any more. It returns what was printed and which steps are left.
func typed(ts *testscript.TestScript, user *os.File, steps []string) (said []byte, left []string) {
	seen := 0
	for buf := make([]byte, 4096); ; {
		n, err := user.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil { // EIO
			return said, steps
		}
		if len(steps) == 0 || !regexp.MustCompile(steps[0]).Match(said[seen:]) {
			continue
		}
		keys, err := strconv.Unquote(`"` + steps[1] + `"`)
		ts.Check(err)
		seen, steps = len(said), steps[2:]
		_, err = user.WriteString(keys)
		ts.Check(err)
	}
}
