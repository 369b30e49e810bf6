package runtime

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kinds of error on which a caller can act.
var (
	// ErrUnsupported says that the spec asks for something that this runtime does not do; the text names it.
	ErrUnsupported = errors.New("not supported")
	// ErrInvalid says that the spec contradicts itself or the OCI rules.
	ErrInvalid = errors.New("invalid")
	// ErrCommandNotFound says that the command is not in the container: exit status 127 by custom.
	ErrCommandNotFound = errors.New("command not found")
	// ErrCommandNotExecutable says that the command is there and cannot be run: exit status 126 by custom.
	ErrCommandNotExecutable = errors.New("command not executable")
	// ErrExists says that the keeper has a process of that id already.
	ErrExists = errors.New("a process of this id exists")
	// ErrKeeperLost says that the keeper is gone, or no longer listens to us.
	ErrKeeperLost = errors.New("the keeper is gone")
	// ErrNotRunning says that a process has ended.
	ErrNotRunning = errors.New("not running")
)

// stepError is what a step of a program could not do.
type stepError struct {
	text string
	kind error // nil if there is nothing that a caller could do about it
	err  error
}

func (e *stepError) Error() string { return e.text }

func (e *stepError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.err}
	}
	return []error{e.kind, e.err}
}

// explain makes an error of the label of a step and what the kernel said.
func explain(label, command string, errno syscall.Errno) error {
	if label != commandLabel {
		return &stepError{text: label + ": " + errno.Error(), err: errno}
	}
	e := &stepError{kind: ErrCommandNotExecutable, err: errno}
	missing := errno == unix.ENOENT || errno == unix.ENOTDIR
	switch {
	case !strings.Contains(command, "/") && (missing || errno == unix.EACCES):
		e.kind, e.text = ErrCommandNotFound, fmt.Sprintf("exec: %q: executable file not found in $PATH", command)
	case missing:
		e.kind, e.text = ErrCommandNotFound, fmt.Sprintf("exec: %q: stat %s: %s", command, command, errno)
	default:
		e.text = fmt.Sprintf("exec: %q: %s", command, errno)
	}
	return e
}
