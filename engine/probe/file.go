package probe

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// File looks whether something is at an absolute path below root. Links are followed, as the
// container's processes would, and never lead out.
func File(root *os.File, name string) (string, error) {
	for {
		fd, err := unix.Openat2(int(root.Fd()), name, &unix.OpenHow{
			Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
		switch {
		case err == nil:
			return name + " is there", unix.Close(fd)
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR): // something was renamed meanwhile: look again
		default:
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
}
