package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/settings"
)

// Config is where a door is.
type Config struct {
	// Path is the socket's; Settings is the engine's configuration file.
	Path, Settings string
	// Link is another path, which leads to the socket while the engine runs; "": none.
	Link string
	// Kept are sockets of earlier engines that containers have mounted: what Behind returned,
	// of each container. They stay the caller's to close.
	Kept [][]*os.File
}

// Door is the socket, open, and those of earlier engines that are in containers.
type Door struct {
	net.Listener
	cfg    Config
	people people
	former []net.Listener
	its    fs.FileInfo // of the socket's file
	stays  bool        // the file of a killed engine was there before
}

// people are those who may connect, beside root and the engine's own user.
type people struct {
	group int
	any   bool // there is a group
}

// Open makes the socket, and the link that leads to it.
//
// Errors: engine.ErrInvalid for settings that make no sense and a path that is too long,
// engine.ErrConflict for something else that is in the way.
func Open(cfg Config) (_ *Door, err error) {
	d := &Door{cfg: cfg}
	conf, err := settings.Read(cfg.Settings)
	if err != nil {
		return nil, err
	}
	if d.people, err = peopleOf(conf.SocketGroup); err != nil {
		return nil, err
	}
	if err := link(cfg.Link, cfg.Path); err != nil {
		return nil, err
	}
	_, there := os.Lstat(cfg.Path)
	d.stays = there == nil
	if d.Listener, err = Listen(cfg.Path); err != nil {
		return nil, errors.Join(err, unlink(cfg.Link, cfg.Path))
	}
	if d.people.any {
		err = errors.Join(shareFolder(filepath.Dir(cfg.Path), d.people.group), d.people.share(cfg.Path))
	}
	if err == nil {
		d.its, err = os.Stat(cfg.Path)
	}
	if err == nil {
		err = d.reopen()
	}
	if err != nil {
		return nil, errors.Join(err, d.GiveUp())
	}
	return d, nil
}

// Listeners are the sockets on which calls arrive.
func (d *Door) Listeners() []net.Listener { return append([]net.Listener{d.Listener}, d.former...) }

// Close takes away what Open made.
func (d *Door) Close() error {
	errs := []error{unlink(d.cfg.Link, d.cfg.Path)}
	for _, l := range d.Listeners() {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // else the server was faster
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// GiveUp is the Close of an engine that could not start. The file of one that was killed
// says that it is to be tried again, so there is one still.
func (d *Door) GiveUp() error {
	if l, ok := d.Listener.(*net.UnixListener); ok && d.stays {
		l.SetUnlinkOnClose(false)
	}
	return d.Close()
}

// peopleOf finds a group by its name or number; "" is none.
func peopleOf(group string) (people, error) {
	if group == "" {
		return people{}, nil
	}
	found, err := user.LookupGroup(group)
	if err == nil {
		group = found.Gid
	}
	gid, notNumber := strconv.ParseUint(group, 10, 31)
	if notNumber == nil {
		return people{int(gid), true}, nil
	}
	return people{}, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("socket-group %q of engine.json: %w", group, err)),
		"make it with `groupadd --system "+group+"`, or take the key out")
}

// shareFolder lets a group pass the folder that the socket is in.
func shareFolder(dir string, gid int) error {
	const everyone, ours = 0o001, 0o010
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if st.Mode&everyone == 0 && (int(st.Gid) != gid || st.Mode&ours == 0) {
		// It must not be open to the group that it had.
		if err := errors.Join(unix.Chmod(dir, 0o700), unix.Chown(dir, -1, gid), unix.Chmod(dir, 0o710)); err != nil {
			return fmt.Errorf("let group %d pass %s: %w", gid, dir, err)
		}
	}
	return nil
}

// share lets the group use a socket, if there is one, and no other group. Its members are
// root on the host by it, as those of Docker's group are.
func (p people) share(path string) error {
	gid, mode := os.Getegid(), uint32(0o600)
	if p.any {
		gid, mode = p.group, 0o660
	}
	if err := errors.Join(unix.Chown(path, -1, gid), unix.Chmod(path, mode)); err != nil {
		return fmt.Errorf("let group %d use %s: %w", gid, path, err)
	}
	return nil
}

// maxPath is how long the path of a socket may be (unix(7)).
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// Listen makes the socket at path, for its owner only. A socket that is in the way is
// replaced: the caller holds the engine's lock, so nobody listens on it.
//
// Errors: engine.ErrInvalid for a path that is too long, engine.ErrConflict for
// something else that is in the way.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, engine.Hint(
			engine.Problem(engine.ErrInvalid, fmt.Errorf("listen on %s: the path of a socket has at most %d bytes", path, maxPath)),
			"choose a shorter run root")
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("listen: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, engine.Problem(engine.ErrConflict, fmt.Errorf("listen on %s: something else is there", path))
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("replace socket: %w", err)
		}
	}
	config := net.ListenConfig{Control: ownerOnly}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// ownerOnly sets the mode that the socket's file will have before there is one: it is
// never open to others.
func ownerOnly(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
	return errors.Join(err, failed)
}
