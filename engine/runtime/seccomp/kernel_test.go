package seccomp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestKernelTakesTheDefaultProfile loads the filter in a child process and
// makes calls there. It needs no root: no_new_privs is enough.
func TestKernelTakesTheDefaultProfile(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the calls are written for amd64")
	}
	out, err := child(t, "default")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "wrong") {
			t.Error(strings.TrimSpace(line))
		}
	}
	if !strings.Contains(out, "done") {
		t.Errorf("the child did not come to its end:\n%s", out)
	}
}

func TestKernelKills(t *testing.T) {
	out, err := child(t, "kill")
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || !strings.Contains(exit.String(), "bad system call") {
		t.Errorf("child ended with %v\n%s", err, out)
	}
}

const childVariable = "TIFFIN_SECCOMP_TEST"

func child(t *testing.T, what string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestChild is the child of the tests above.
func TestChild(t *testing.T) {
	runtime.LockOSThread()
	switch os.Getenv(childVariable) {
	case "default":
		profile, err := Default(nil)
		if err != nil {
			t.Fatal(err)
		}
		filter, err := Compile(profile)
		if err != nil {
			t.Fatal(err)
		}
		install(t, filter)
		tryCalls()
		fmt.Println("done")
		os.Exit(0)
	case "kill":
		filter, err := Compile(small())
		if err != nil {
			t.Fatal(err)
		}
		install(t, filter)
		_, _, _ = unix.RawSyscall(unix.SYS_PTRACE, 0, 0, 0)
	default:
		t.Skip("runs only as a child")
	}
}

// install does for this thread what the fork program does for a container.
func install(t *testing.T, filter Filter) {
	t.Helper()
	code := filter.Bytes()
	program := unix.SockFprog{Len: uint16(filter.Len()), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		uintptr(filter.Flags()), uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(code)
	if errno != 0 {
		t.Fatal(errno)
	}
}

func tryCalls() {
	const queryPersonality, addrCompatLayout = 0xffffffff, 0x0200000
	for _, c := range []struct {
		what string
		want unix.Errno
		nr   uintptr
		arg  uintptr
	}{
		{"getpid", 0, unix.SYS_GETPID, 0},
		{"close of a wrong descriptor", unix.EBADF, unix.SYS_CLOSE, 1 << 20},
		{"mount", unix.EPERM, unix.SYS_MOUNT, 0},
		{"unshare", unix.EPERM, unix.SYS_UNSHARE, 0},
		{"clone3", unix.ENOSYS, unix.SYS_CLONE3, 0},
		{"io_uring_setup", unix.EPERM, unix.SYS_IO_URING_SETUP, 0},
		{"a call newer than the profile", unix.ENOSYS, 1000, 0},
		{"getpid of x32", unix.ENOSYS, x32Bit | unix.SYS_GETPID, 0},
		{"asking for the personality", 0, unix.SYS_PERSONALITY, queryPersonality},
		{"setting an old personality", unix.EPERM, unix.SYS_PERSONALITY, addrCompatLayout},
		{"a socket of AF_ALG", unix.EPERM, unix.SYS_SOCKET, unix.AF_ALG},
		{"a socket of AF_UNIX, type 0", unix.ESOCKTNOSUPPORT, unix.SYS_SOCKET, unix.AF_UNIX},
	} {
		if _, _, errno := unix.RawSyscall(c.nr, c.arg, 0, 0); errno != c.want {
			fmt.Printf("wrong: %s: %v, want %v\n", c.what, errno, c.want)
		}
	}
}
