package supervisor

import (
	"context"
	"errors"
	"testing"
	"time"

	"tiffin/engine"
)

// adopted is a container that an earlier engine left in a state, with a process that
// runs since a minute.
func adopted(status engine.Status) func(*bench, *Config) {
	return func(b *bench, cfg *Config) {
		b.process = &process{b: b, pid: 7, exit: make(chan Exit, 1), frozen: status == engine.StatusPaused}
		cfg.Process = b.process
		cfg.State = engine.State{Status: status, Pid: 7, StartedAt: time.Now().Add(-time.Minute), RestartCount: 2, Stopped: status == engine.StatusStopping}
		cfg.Restart.Mode = engine.RestartAlways
	}
}

// held is a container that waited for its restart when its engine ended.
func held(b *bench, cfg *Config) {
	adopted(engine.StatusRestarting)(b, cfg)
	cfg.Process, b.process = nil, nil
}

func TestAdoption(t *testing.T) {
	t.Run("of one that runs", func(t *testing.T) {
		run(t, adopted(engine.StatusRunning), func(b *bench) {
			b.saw("")
			b.last().ends(0)
			time.Sleep(time.Second)
			b.saw(`0s taken back
				0s restarting, die exitCode=0
				100ms starting
				100ms running, start`)
			if s := b.now(); s.RestartCount != 3 || s.RestartStreak != 1 {
				b.t.Errorf("%+v", s)
			}
		})
	})
	t.Run("of one that is paused", func(t *testing.T) {
		run(t, adopted(engine.StatusPaused), func(b *bench) {
			b.must(b.super.Unpause(b.t.Context()))
			b.stop()
			b.saw(`0s running, unpause
				0s stopping
				0s stopping, kill signal=15
				0s taken back
				0s exited, die exitCode=143, stop`)
		})
	})
	t.Run("of one in the middle of a stop: it is asked again", func(t *testing.T) {
		run(t, func(b *bench, cfg *Config) {
			adopted(engine.StatusStopping)(b, cfg)
			b.onSignal = deaf
		}, func(b *bench) {
			time.Sleep(time.Minute)
			b.saw(`0s stopping, kill signal=15
				10s stopping, kill signal=9
				10s taken back
				10s exited, die exitCode=137, stop`)
		})
	})
	t.Run("of one that waited for its restart: it is held until others have started", func(t *testing.T) {
		run(t, held, func(b *bench) {
			time.Sleep(time.Hour)
			b.saw("")
			b.must(b.super.Resume(b.t.Context()))
			b.saw(`1h0m0s starting
				1h0m0s running, start`)
			b.must(b.super.Resume(b.t.Context()))
			b.must(b.super.Abandon(b.t.Context(), errors.New("too late")))
			b.saw("")
		})
	})
	t.Run("of one that waited for its restart: a start that fails is tried again", func(t *testing.T) {
		run(t, func(b *bench, cfg *Config) {
			held(b, cfg)
			b.onStart = func(context.Context) error {
				b.set(func() { b.onStart = nil })
				return errors.New("the port is taken")
			}
		}, func(b *bench) {
			b.must(b.super.Resume(b.t.Context()))
			time.Sleep(time.Second)
			b.saw(`0s starting
				0s restarting
				100ms starting
				100ms running, start`)
			b.must(b.super.Abandon(b.t.Context(), errors.New("not while it has its turn")))
			b.saw("")
		})
	})
	t.Run("of one that waited for its restart: what it waits for does not come", func(t *testing.T) {
		run(t, held, func(b *bench) {
			b.must(b.super.Abandon(b.t.Context(), errors.New("db is unhealthy")))
			b.saw("0s exited")
			if s := b.now(); s.Error != "db is unhealthy" || s.Stopped {
				b.t.Errorf("%+v", s)
			}
			b.must(b.super.Resume(b.t.Context()))
			b.saw("")
		})
	})
	t.Run("of one that waited for its restart: a start by command does not wait", func(t *testing.T) {
		run(t, held, func(b *bench) {
			b.must(b.super.Start(b.t.Context()))
			b.last().ends(1)
			time.Sleep(time.Second)
			b.saw(`0s starting
				0s running, start
				0s taken back
				0s restarting, die exitCode=1
				100ms starting
				100ms running, start`)
		})
	})
	t.Run("of one that waited for its restart: a stop ends the waiting", func(t *testing.T) {
		run(t, held, func(b *bench) {
			b.stop()
			b.must(b.super.Resume(b.t.Context()))
			b.saw("0s exited, stop")
		})
	})
	t.Run("of one that ended", func(t *testing.T) {
		run(t, func(_ *bench, cfg *Config) { cfg.State = engine.State{Status: engine.StatusExited, ExitCode: 3} }, func(b *bench) {
			b.saw("")
			b.must(b.super.Remove(b.t.Context()))
		})
	})
}
