package supervisor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// killGrace is how long a killed process may take to end before who waits for it is
// told: one in an uninterruptible sleep stays.
const killGrace = 10 * time.Second

// patience is how long a stop waits until it kills.
type patience struct {
	timer *time.Timer
	until time.Time // zero: for ever
	// killed says that it waits for the end after SIGKILL.
	killed bool
}

func newPatience() *patience {
	p := &patience{timer: time.NewTimer(0)}
	p.lose()
	return p
}

// atMost ends the waiting after d, unless it ends before; negative is for ever.
func (p *patience) atMost(d time.Duration) {
	until := time.Now().Add(d)
	if d < 0 || !p.until.IsZero() && p.until.Before(until) {
		return
	}
	p.until = until
	p.timer.Reset(d)
}

// lose waits for ever.
func (p *patience) lose() {
	p.until = time.Time{}
	p.timer.Stop()
}

// stop begins a stop by command.
func (s *Supervisor) stop(ctx context.Context, r request) {
	if s.state.Status == engine.StatusPaused {
		// A frozen process takes no signal.
		if err := s.process.Thaw(ctx); err != nil {
			r.reply <- fmt.Errorf("%s: %w", r.do, err)
			return
		}
	}
	s.state.Stopped = true
	s.waits(r)
	s.stopTimeout, s.stopSignal, s.forced = r.timeout, r.signal, r.forced
	s.to(engine.StatusStopping)
	s.publish()
}

// waits notes who waits for the end.
func (s *Supervisor) waits(r request) {
	s.stoppers = append(s.stoppers, r.reply)
	if r.vain != nil {
		s.vain = append(s.vain, r.vain)
	}
}

// stopping signals, waits for the end, and kills when the time is over. A container
// that was adopted in the middle of a stop is asked again: nobody knows whether it was.
func (s *Supervisor) stopping(ctx context.Context) {
	s.endMonitor()
	p := newPatience()
	defer p.timer.Stop()
	if p.killed = s.stopSignal == unix.SIGKILL; p.killed {
		p.atMost(killGrace)
	} else {
		p.atMost(s.stopTimeout)
	}
	s.signal(s.stopSignal)
	for s.state.Status == engine.StatusStopping {
		select {
		case exit := <-s.watcher.ended:
			s.exited(ctx, exit)
		case <-p.timer.C:
			s.impatient(p)
		case r := <-s.requests:
			s.whileStopping(ctx, r, p)
		case <-ctx.Done():
			return
		}
	}
}

// impatient kills; and when that has not helped, tells who waits.
func (s *Supervisor) impatient(p *patience) {
	p.lose()
	p.killed = !p.killed
	if p.killed {
		for _, tell := range s.vain {
			tell()
		}
		s.signal(unix.SIGKILL)
		p.atMost(killGrace)
		return
	}
	s.answerStoppers(engine.Problem(engine.ErrUnavailable, fmt.Errorf("the container did not end within %s of SIGKILL", killGrace)))
}

// signal sends a signal of a stop. Whether it arrives shows in time.
func (s *Supervisor) signal(sig unix.Signal) {
	if err := s.process.Signal(sig); err == nil {
		s.publish(killed(sig))
	}
}

func (s *Supervisor) whileStopping(ctx context.Context, r request, p *patience) {
	switch r.do {
	case stop:
		s.waits(r)
		if !p.killed {
			p.atMost(r.timeout)
		}
	case kill:
		s.kill(ctx, r)
	case start, pause, unpause, remove:
		refuse(r, "is being stopped")
	case resume, abandon:
		r.reply <- nil
	case call:
		r.reply <- r.call(ctx)
	}
}

func (s *Supervisor) answerStoppers(err error) {
	for _, reply := range s.stoppers {
		reply <- err
	}
	s.stoppers, s.vain = nil, nil
}
