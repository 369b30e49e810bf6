package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"tiffin/engine/keeper"
)

// SealProgram puts a program into memory where nobody can change it, not even a container's root by way of
// /proc/PID/exe: it is what keepers and reapers are executed from.
func SealProgram(name string, code []byte) (*os.File, error) {
	// MFD_EXEC is only known since Linux 6.3, and needed where sysctl vm.memfd_noexec is set.
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("create memory file %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(code)
	if err == nil {
		err = seal(fd)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fill memory file %s: %w", name, err), f.Close())
	}
	return f, nil
}

func seal(fd int) error {
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals|unix.F_SEAL_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	return err
}

// KeeperFiles is where a keeper is found again.
type KeeperFiles struct {
	Socket  string // path of the socket on which it waits for later engines
	Records string // directory of the exit records; made if it is missing
}

// StartKeeper starts a keeper from its sealed program. It is nobody's child and survives the caller.
func StartKeeper(ctx context.Context, program *os.File, at KeeperFiles) (*Keeper, error) {
	k, err := startKeeper(ctx, program, at)
	if err != nil {
		return nil, fmt.Errorf("start keeper %s: %w", at.Socket, err)
	}
	return k, nil
}

func startKeeper(ctx context.Context, program *os.File, at KeeperFiles) (*Keeper, error) {
	if err := os.MkdirAll(at.Records, 0o700); err != nil {
		return nil, err
	}
	records, err := os.Open(at.Records)
	if err != nil {
		return nil, err
	}
	defer closeAll(records)
	listener, err := listen(at.Socket)
	if err != nil {
		return nil, err
	}
	defer closeAll(listener)
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer closeAll(theirs)
	conn, err := packetConn(ours)
	if err != nil {
		return nil, err
	}
	if err := execKeeper(ctx, program, []*os.File{theirs, listener, records}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	closeAll(theirs) // or the reader would never see the keeper end
	return connect(ctx, conn)
}

// execKeeper runs the program until it has forked the keeper.
func execKeeper(ctx context.Context, program *os.File, files []*os.File) error {
	var words bytes.Buffer
	// The program is handed on like the files: whatever number it has here, in the child one of them may take its place.
	cmd := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", keeper.EngineFD+len(files)))
	cmd.Args = []string{"tiffin-keeper"}
	// See keeper.Main for why.
	cmd.Env = []string{"GOMAXPROCS=1", "GOGC=off", "GOTRACEBACK=none"}
	cmd.Dir = "/"
	cmd.ExtraFiles = append(files, program)
	cmd.Stderr = &words
	cmd.WaitDelay = 1 // do not wait for the keeper to close our end of its standard error
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(words.String()))
	}
	return nil
}

// DialKeeper connects to a keeper that another engine, or this one in an earlier life, has started. Its error wraps
// fs.ErrNotExist or ErrKeeperLost if there is none.
func DialKeeper(ctx context.Context, socket string) (*Keeper, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unixpacket", socket)
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return nil, fmt.Errorf("keeper %s: %w", socket, ErrKeeperLost)
	case err != nil:
		return nil, fmt.Errorf("keeper %s: %w", socket, err)
	}
	return connect(ctx, conn.(*net.UnixConn))
}

// listen makes the socket anew: a keeper that had it before is gone.
func listen(socket string) (*os.File, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), socket)
	err = unix.Fchmod(fd, 0o600) // before bind, which gives the mode to the file
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: socket})
	}
	if err == nil {
		err = unix.Listen(fd, 8)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", socket, err), f.Close())
	}
	return f, nil
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "keeper socket"), os.NewFile(uintptr(fds[1]), "keeper's socket"), nil
}

func packetConn(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f) // a copy of the descriptor
	closeAll(f)
	if err != nil {
		return nil, fmt.Errorf("keeper socket: %w", err)
	}
	return conn.(*net.UnixConn), nil
}
