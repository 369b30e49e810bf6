package seccomp

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ErrInvalid is the kind of a profile that contradicts the OCI runtime spec.
var ErrInvalid = errors.New("invalid seccomp profile")

// ErrUnsupported is the kind of a profile that asks for what tiffin has not:
// user notification, or an architecture without a table.
var ErrUnsupported = errors.New("unsupported seccomp profile")

// Compile translates a profile for this machine's architecture and those of
// the profile that its kernel also runs. Names that no table knows are passed
// over, as runc does, so that a profile may name calls of other architectures
// and newer kernels.
func Compile(profile *specs.LinuxSeccomp) (Filter, error) {
	return compileFor(runtime.GOARCH, profile)
}

func compileFor(goarch string, profile *specs.LinuxSeccomp) (Filter, error) {
	arches, err := selectArches(goarch, profile.Architectures)
	if err != nil {
		return Filter{}, err
	}
	flags, err := parseFlags(profile.Flags)
	if err != nil {
		return Filter{}, err
	}
	fallback, err := parseAction(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return Filter{}, fmt.Errorf("default action: %w", err)
	}
	calls, err := lower(profile, arches, fallback)
	if err != nil {
		return Filter{}, err
	}
	// Any architecture not asked for kills the thread (libseccomp's SCMP_FLTATR_ACT_BADARCH).
	next := leaf(killThread)
	for i, a := range slices.Backward(arches) {
		next = &node{
			test: test{load{offArch, wholeWord}, opEqual, a.abi().audit},
			yes:  a.decide(calls[i], fallback),
			no:   next,
		}
	}
	code := emit(next)
	if len(code) > maxInstructions {
		return Filter{}, fmt.Errorf("%w: %d instructions, the kernel takes %d", ErrInvalid, len(code), maxInstructions)
	}
	return Filter{code: code, flags: flags}, nil
}

// selectArches keeps those architectures of the profile that a kernel of
// goarch can report. The kernel's own is always among them.
func selectArches(goarch string, named []specs.Arch) ([]arch, error) {
	possible := compatible(goarch)
	if possible == nil {
		return nil, fmt.Errorf("%w: no table of system calls for %s", ErrUnsupported, goarch)
	}
	for _, name := range named {
		if !knownArch(name) {
			return nil, fmt.Errorf("%w: architecture %q", ErrInvalid, name)
		}
	}
	chosen := possible[:1:1]
	for _, a := range possible[1:] {
		if slices.Contains(named, a.ociName()) {
			chosen = append(chosen, a)
		}
	}
	return chosen, nil
}

func parseFlags(names []specs.LinuxSeccompFlag) (flags uint, err error) {
	for _, name := range names {
		switch name {
		case specs.LinuxSeccompFlagLog:
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case "SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagWaitKillableRecv:
			// The child that loads the filter has one thread, and the second
			// flag means something only beside user notification.
		default:
			return 0, fmt.Errorf("%w: flag %q", ErrInvalid, name)
		}
	}
	return flags, nil
}

// action is a SECCOMP_RET_* value, its data (an errno) in the lower 16 bits.
type action uint32

const (
	killThread  action = unix.SECCOMP_RET_KILL_THREAD
	killProcess action = unix.SECCOMP_RET_KILL_PROCESS
	allow       action = unix.SECCOMP_RET_ALLOW
	noSuchCall         = action(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
)

// parseAction translates an action; an errno is only for the two that carry one.
func parseAction(name specs.LinuxSeccompAction, errno *uint) (action, error) {
	var act action
	switch name {
	case specs.ActAllow:
		act = allow
	case specs.ActErrno:
		act = unix.SECCOMP_RET_ERRNO
	case specs.ActTrace:
		act = unix.SECCOMP_RET_TRACE
	case specs.ActKill, specs.ActKillThread:
		act = killThread
	case specs.ActKillProcess:
		act = killProcess
	case specs.ActTrap:
		act = unix.SECCOMP_RET_TRAP
	case specs.ActLog:
		act = unix.SECCOMP_RET_LOG
	case specs.ActNotify:
		return 0, fmt.Errorf("%w: action %s", ErrUnsupported, name)
	default:
		return 0, fmt.Errorf("%w: action %q", ErrInvalid, name)
	}
	if name != specs.ActErrno && name != specs.ActTrace {
		if errno != nil && *errno != 0 {
			return 0, fmt.Errorf("%w: action %s returns no errno, but errnoRet is %d", ErrInvalid, name, *errno)
		}
		return act, nil
	}
	if errno == nil {
		return act | action(unix.EPERM), nil
	}
	if *errno > unix.SECCOMP_RET_DATA {
		return 0, fmt.Errorf("%w: errnoRet %d", ErrInvalid, *errno)
	}
	return act | action(*errno), nil
}

// permissive reports an action that lets the call through.
func (a action) permissive() bool {
	switch a & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE:
		return true
	default:
		return false
	}
}

func (a action) String() string {
	switch a & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_LOG:
		return "log"
	case unix.SECCOMP_RET_TRAP:
		return "trap"
	case killThread:
		return "kill thread"
	case killProcess:
		return "kill process"
	case unix.SECCOMP_RET_TRACE:
		return fmt.Sprintf("trace %d", a&unix.SECCOMP_RET_DATA)
	default:
		return "errno " + unix.ErrnoName(unix.Errno(a&unix.SECCOMP_RET_DATA))
	}
}
