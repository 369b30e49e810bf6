package container

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// StopNow kills the container and waits for its end.
func (c *Container) StopNow(ctx context.Context) error { return c.Super.StopWith(ctx, unix.SIGKILL, 0) }

// WhyInVain says why the container, which is about to be killed, has not ended by its stop signal within grace, and what
// to do; "" when there is nothing to say.
func (c *Container) WhyInVain(grace time.Duration) string {
	r, record := c.running(), c.Snapshot()
	if r == nil || grace <= 0 {
		return ""
	}
	sig, err := ParseSignal(record.StopSignal())
	if err != nil {
		sig = unix.SIGTERM // what was sent, see Supervise
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.process.Pid()))
	if err != nil {
		return "" // it ends just now
	}
	return fmt.Sprintf("Container %s did not end within %s of %s and is killed: %s", record.Name, grace, unix.SignalName(sig), reasonOf(string(status), sig))
}

// reasonOf reads /proc/PID/status, see proc_pid_status(5). The kernel gives the first process of a PID namespace no signal
// that it has no handler for. One that is blocked may be read by other means, as signalfd(2).
func reasonOf(status string, sig unix.Signal) string {
	var name, pid string
	var caught, ignored, blocked bool
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			name = value
		case "NSpid":
			fields := strings.Fields(value)
			pid = fields[len(fields)-1]
		case "SigCgt":
			caught = inMask(value, sig)
		case "SigIgn":
			ignored = inMask(value, sig)
		case "SigBlk":
			blocked = inMask(value, sig)
		}
	}
	who := fmt.Sprintf("PID %s (%s)", pid, name)
	switch {
	case ignored:
		return who + " ignores the signal. Set `init: true`, another stop_signal, or use --now"
	case caught || blocked:
		return who + " took the signal and went on. Set a longer stop_grace_period, or use --now"
	default:
		return who + " has no handler for the signal. Set `init: true`, or use --now"
	}
}

// inMask looks a signal up in a mask of the kernel's: the lowest bit is signal 1.
func inMask(hex string, sig unix.Signal) bool {
	mask, err := strconv.ParseUint(hex, 16, 64)
	return err == nil && sig > 0 && mask>>(sig-1)&1 == 1
}
