package supervisor

import (
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
	t.Run("of one that waited for its restart: it starts at once", func(t *testing.T) {
		run(t, func(b *bench, cfg *Config) {
			adopted(engine.StatusRestarting)(b, cfg)
			cfg.Process, b.process = nil, nil
		}, func(b *bench) {
			b.saw(`0s starting
				0s running, start`)
		})
	})
	t.Run("of one that ended", func(t *testing.T) {
		run(t, func(_ *bench, cfg *Config) { cfg.State = engine.State{Status: engine.StatusExited, ExitCode: 3} }, func(b *bench) {
			b.saw("")
			b.must(b.super.Remove(b.t.Context()))
		})
	})
}
