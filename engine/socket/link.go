package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"tiffin/engine"
)

// link makes path lead to the socket, for programs that know no other path. "" is no path.
//
// Errors: engine.ErrConflict when something else is there.
func link(path, socket string) error {
	if path == "" {
		return nil
	}
	err := os.Symlink(socket, path)
	if !errors.Is(err, fs.ErrExist) {
		if err != nil {
			return fmt.Errorf("make the link of --docker-socket: %w", err)
		}
		return nil
	}
	if to, err := os.Readlink(path); err == nil && to == socket {
		return nil // of an engine that was killed
	}
	return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("--docker-socket: %s", inTheWay(path))),
		"leave --docker-socket out, and set DOCKER_HOST=unix://"+socket+" for the programs that are to use tiffin")
}

// inTheWay says what is at a path.
func inTheWay(path string) string {
	if to, err := os.Readlink(path); err == nil {
		return fmt.Sprintf("%s is a link to %s", path, to)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return path + " is there already, and no socket"
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).Dial("unix", path)
	if err != nil {
		return fmt.Sprintf("%s is another program's socket, on which nobody listens any more: remove it", path)
	}
	_ = conn.Close() // nothing was said
	return fmt.Sprintf("another program listens on %s, as dockerd does", path)
}

// unlink takes the link away, if it is still ours.
func unlink(path, socket string) error {
	if to, err := os.Readlink(path); path == "" || err != nil || to != socket {
		return nil //nolint:nilerr // somebody has put something else there
	}
	return os.Remove(path)
}
