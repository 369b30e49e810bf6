package caller

import (
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Successor is the file that has taken the place of the one that runs, as an upgrade does it:
// a keeper starts an engine from the file that the engine before was started from. "" when
// there is none, or somebody else than root may have put it there.
func Successor() string {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return ""
	}
	return successorOf(path)
}

// successorOf is Successor of a program whose file the kernel names so.
func successorOf(executable string) string {
	path, replaced := strings.CutSuffix(executable, " (deleted)")
	if !replaced {
		return ""
	}
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != 0 {
		return ""
	}
	const othersWrite, execute = 0o022, 0o100
	if mode := fs.FileMode(st.Mode); mode&othersWrite != 0 || mode&execute == 0 {
		return ""
	}
	return path
}
