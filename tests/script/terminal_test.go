package script

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// answered runs a command on a terminal and types an answer when its output matches an expression. What it then has
// printed is stdout. It has to end well.
func answered(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 4 || args[2] != "--" {
		ts.Fatalf("usage: answered REGEXP ANSWER -- COMMAND…")
	}
	when := regexp.MustCompile(args[0])
	ts.Check(ts.Exec("env"))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	user, terminal, err := openTerminal()
	ts.Check(err)
	defer func() { _ = user.Close() }()
	cmd := exec.CommandContext(ctx, "env", args[3:]...)
	cmd.Env = strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	cmd.Dir = ts.MkAbs(".")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	ts.Check(cmd.Start())
	ts.Check(terminal.Close())
	var said []byte
	asked := false
	for buf := make([]byte, 4096); ; {
		n, err := user.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil { // EIO: nobody has the other end any more
			break
		}
		if !asked && when.Match(said) {
			asked = true
			_, err := user.WriteString(args[1] + "\n")
			ts.Check(err)
		}
	}
	err = cmd.Wait()
	_, _ = ts.Stdout().Write([]byte(strings.ReplaceAll(string(said), "\r\n", "\n")))
	ts.Logf("[terminal]\n%s", said)
	if !asked {
		ts.Fatalf("%q was not printed", args[0])
	}
	if err != nil {
		ts.Fatalf("it ended with %v", err)
	}
}

// openTerminal opens both ends of a new terminal; see pty(7).
func openTerminal() (user, terminal *os.File, err error) {
	user, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	return user, terminal, err
}
