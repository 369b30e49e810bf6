package schedule

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the time on the wall.
type Clock interface {
	Now() time.Time
	// Until waits for a time; also when the clock is set, or the host has slept, it returns
	// when there is something to look at. Its errors are those of ctx.
	Until(ctx context.Context, t time.Time) error
}

// Wall is the host's clock.
type Wall struct{}

// Now is the time.
func (Wall) Now() time.Time { return time.Now() }

// Until waits with a timer on the clock itself: Go's stand still while the host sleeps, and know nothing of clocks that
// are set.
func (Wall) Until(ctx context.Context, t time.Time) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("make timer: %w", err)
	}
	timer := os.NewFile(uintptr(fd), "timer")
	defer timer.Close() //nolint:errcheck // it was only read
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(t.UnixNano(), 1))}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &spec, nil); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = timer.SetReadDeadline(time.Unix(1, 0)) })()
	var expirations [8]byte
	_, _ = timer.Read(expirations[:]) // ECANCELED: the clock was set
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
