package container

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhyAStopWasInVain(t *testing.T) {
	status := func(blocked, ignored, caught string) string {
		return "Name:\tsleep\nUmask:\t0022\nPid:\t812\nNSpid:\t812\t1\nSigPnd:\t0000000000000000\nSigBlk:\t" + blocked +
			"\nSigIgn:\t" + ignored + "\nSigCgt:\t" + caught + "\n"
	}
	const none = "0000000000000000"
	for name, tc := range map[string]struct {
		status string
		sig    unix.Signal
		want   string
	}{
		"no handler":                      {status(none, none, none), unix.SIGTERM, "PID 1 (sleep) has no handler for the signal. Set `init: true`, or"},
		"a handler for another signal":    {status(none, none, "0000000000000002"), unix.SIGTERM, "PID 1 (sleep) has no handler"},
		"a handler":                       {status(none, none, "0000000000004000"), unix.SIGTERM, "PID 1 (sleep) took the signal and went on"},
		"read from a descriptor":          {status("0000000000004000", none, none), unix.SIGTERM, "PID 1 (sleep) took the signal and went on"},
		"ignored":                         {status(none, "0000000000004000", none), unix.SIGTERM, "PID 1 (sleep) ignores the signal"},
		"the first signal, and the last":  {status(none, none, "8000000000000001"), unix.SIGHUP, "PID 1 (sleep) took"},
		"a real-time signal":              {status(none, none, "8000000000000001"), 64, "PID 1 (sleep) took"},
		"a program in the host's process": {strings.Replace(status(none, none, none), "812\t1", "812", 1), unix.SIGTERM, "PID 812 (sleep) has no handler"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reasonOf(tc.status, tc.sig); !strings.HasPrefix(got, tc.want) {
				t.Errorf("%q, want %q…", got, tc.want)
			}
		})
	}
}
