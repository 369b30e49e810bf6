package copies

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tiffin/engine/archive"
	"tiffin/engine/call"
)

// Local is the caller's own file system.
type Local struct{ root *os.File }

// OpenLocal opens it.
func OpenLocal() (Local, error) {
	root, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return Local{root}, err
}

// Close lets go of it.
func (l Local) Close() error { return l.root.Close() }

// Look says what is at a path.
func (l Local) Look(name string, follow bool) (call.FileStat, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return call.FileStat{}, err
	}
	return archive.Look(l.root, abs, follow)
}

// Pack writes what is at a path, under a name, as a tar stream.
func (l Local) Pack(ctx context.Context, w io.Writer, name string, o archive.PackOptions) error {
	abs, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	return archive.Pack(ctx, w, l.root, abs, o)
}

// Unpack makes the files of a tar stream, which is a stranger's, in a folder. They are the caller's, and run as nobody else;
// with owners, whose the stream says.
func (l Local) Unpack(ctx context.Context, r io.Reader, folder string, owners bool) error { //nolint:revive // as -a
	o := archive.UnpackOptions{Owners: archive.Callers, Modes: 0o777, Devices: true}
	if owners {
		o.Owners, o.Modes = archive.Named, 0
	}
	return archive.Unpack(ctx, r, l.root, folder, o)
}
