package builder

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// giveBack returns the memory that builds took: what the solver had on the heap, and the
// pages of the program that only builds use. The next build finds those in the page cache.
func giveBack() error {
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		from, to, ok := codeOf(lines.Text(), exe)
		if !ok {
			continue
		}
		if err := forgetPages(from, to); err != nil {
			return err
		}
	}
	return lines.Err()
}

// codeOf reads a line of /proc/PID/maps (proc_pid_maps(5)). It is ok for what is mapped
// of the program and cannot have been written to.
func codeOf(line, exe string) (from, to uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 6 || fields[5] != exe || !strings.HasPrefix(fields[1], "r") || fields[1][1] != '-' || fields[1][3] != 'p' {
		return 0, 0, false
	}
	_, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to)
	return from, to, err == nil
}

// forgetPages lets the process fault the pages of a file in again, see madvise(2).
func forgetPages(from, to uintptr) error {
	if _, _, e := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); e != 0 {
		return fmt.Errorf("madvise: %w", e)
	}
	return nil
}
