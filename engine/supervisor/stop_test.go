package supervisor

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

func TestAStopKillsAfterTheGrace(t *testing.T) {
	run(t, func(b *bench, cfg *Config) {
		b.onSignal = deaf
		cfg.Restart.Mode = engine.RestartAlways
	}, func(b *bench) {
		b.start()
		b.forget()
		b.must(b.super.Stop(b.t.Context(), 3*time.Second))
		b.saw(`0s stopping
			0s stopping, kill signal=15
			3s stopping, kill signal=9
			3s taken back
			3s exited, die exitCode=137, stop`)
		if s := b.now(); !s.Stopped || s.RestartCount != 0 {
			b.t.Errorf("%+v", s)
		}
	})
}

func TestAStopWithoutEndWaits(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = undead }, func(b *bench) {
		b.start()
		go func() {
			time.Sleep(time.Hour)
			b.last().ends(0)
		}()
		b.forget()
		b.must(b.super.Stop(b.t.Context(), -1))
		b.saw(`0s stopping
			0s stopping, kill signal=15
			1h0m0s taken back
			1h0m0s exited, die exitCode=0, stop`)
	})
}

func TestAStopTellsOfAProcessThatDoesNotDie(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = undead }, func(b *bench) {
		b.start()
		err := b.super.Stop(b.t.Context(), time.Second)
		if !errors.Is(err, engine.ErrUnavailable) || err.Error() != "the container did not end within 10s of SIGKILL" {
			b.t.Errorf("%v", err)
		}
		if took := time.Since(b.began); took != 11*time.Second {
			b.t.Errorf("after %v", took)
		}
		b.forget()
		b.set(func() { b.onSignal = nil })
		b.must(b.super.Stop(b.t.Context(), time.Second)) // try again
		b.saw(`12s stopping, kill signal=9
			12s taken back
			12s exited, die exitCode=137, stop`)
	})
}

func TestAStopAfterTheKillWaitsForItsEnd(t *testing.T) {
	run(t, func(b *bench, _ *Config) {
		b.onSignal = func(p *process, sig unix.Signal) {
			if sig == unix.SIGKILL {
				time.AfterFunc(time.Second, func() { p.ends(137) })
			}
		}
	}, func(b *bench) {
		b.start()
		reply := make(chan error)
		go func() { reply <- b.super.Stop(b.t.Context(), 0) }()
		time.Sleep(100 * time.Millisecond)
		b.must(b.super.Stop(b.t.Context(), 0))
		b.must(<-reply)
		if took := time.Since(b.began); took != time.Second {
			b.t.Errorf("after %v", took)
		}
	})
}

func TestTheShortestOfSeveralStopsCounts(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = deaf }, func(b *bench) {
		b.start()
		b.forget()
		replies := make(chan error)
		for i, limit := range []time.Duration{-1, time.Minute, 5 * time.Second, time.Hour} {
			go func() {
				time.Sleep(time.Duration(i) * time.Second)
				replies <- b.super.Stop(b.t.Context(), limit)
			}()
		}
		for range 4 {
			b.must(<-replies)
		}
		b.saw(`0s stopping
			0s stopping, kill signal=15
			7s stopping, kill signal=9
			7s taken back
			7s exited, die exitCode=137, stop`)
	})
}

func TestWhileItIsBeingStopped(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = deaf }, func(b *bench) {
		b.start()
		reply := make(chan error)
		go func() { reply <- b.super.Stop(b.t.Context(), time.Minute) }()
		synctest.Wait()
		b.forget()
		ctx := b.t.Context()
		b.conflicts(b.super.Start(ctx), "start: the container is being stopped")
		b.conflicts(b.super.Pause(ctx), "pause: the container is being stopped")
		b.conflicts(b.super.Unpause(ctx), "unpause: the container is being stopped")
		b.conflicts(b.super.Remove(ctx), "remove: the container is being stopped")
		b.must(b.super.Kill(ctx, unix.SIGHUP))
		b.must(b.super.Kill(ctx, unix.SIGKILL))
		b.must(<-reply)
		b.saw(`0s stopping, kill signal=1
			0s stopping, kill signal=9
			0s taken back
			0s exited, die exitCode=137, stop`)
	})
}

func TestAStopWhilePaused(t *testing.T) {
	run(t, nil, func(b *bench) {
		b.start()
		b.must(b.super.Pause(b.t.Context()))
		b.conflicts(b.super.Pause(b.t.Context()), "paused cannot become paused")
		b.conflicts(b.super.Start(b.t.Context()), "start: the container is paused")
		b.forget()
		b.set(func() { b.process.thawErr = errors.New("read-only file system") })
		if err := b.super.Stop(b.t.Context(), 0); !errors.Is(err, b.process.thawErr) {
			b.t.Errorf("%v", err)
		}
		b.saw("")
		b.set(func() { b.process.thawErr = nil })
		b.stop()
		b.saw(`0s stopping
			0s stopping, kill signal=15
			0s taken back
			0s exited, die exitCode=143, stop`)
	})
}

func TestPauseAndUnpause(t *testing.T) {
	run(t, nil, func(b *bench) {
		ctx := b.t.Context()
		b.start()
		b.forget()
		b.conflicts(b.super.Unpause(ctx), "unpause: the container is not paused")
		b.set(func() { b.process.freezeErr = errors.New("device or resource busy") })
		if err := b.super.Pause(ctx); !errors.Is(err, b.process.freezeErr) {
			b.t.Errorf("%v", err)
		}
		b.set(func() { b.process.freezeErr = nil })
		b.must(b.super.Pause(ctx))
		b.set(func() { b.process.thawErr = errors.New("device or resource busy") })
		if err := b.super.Unpause(ctx); !errors.Is(err, b.process.thawErr) {
			b.t.Errorf("%v", err)
		}
		b.set(func() { b.process.thawErr = nil })
		b.must(b.super.Unpause(ctx))
		b.saw(`0s paused, pause
			0s running, unpause`)
		b.must(b.super.Pause(ctx))
		b.last().ends(137) // by somebody else
		b.saw(`0s paused, pause
			0s taken back
			0s exited, die exitCode=137`)
	})
}

func TestKill(t *testing.T) {
	always := func(b *bench, cfg *Config) {
		cfg.Restart.Mode = engine.RestartAlways
		cfg.StopSignal = unix.SIGQUIT
		b.onSignal = func(p *process, sig unix.Signal) {
			if sig != unix.SIGHUP {
				p.ends(128 + int(sig))
			}
		}
	}
	for name, c := range map[string]struct {
		signal unix.Signal
		want   string
	}{
		"by SIGKILL is no stop, and no reason to restart": {unix.SIGKILL, `0s running, kill signal=9
			0s taken back
			0s exited, die exitCode=137`},
		"by the stop signal neither": {unix.SIGQUIT, `0s running, kill signal=3
			0s taken back
			0s exited, die exitCode=131`},
		"by another signal is an end like any other": {unix.SIGINT, `0s running, kill signal=2
			0s taken back
			0s restarting, die exitCode=130`},
		"by a signal that it heeds is no end": {unix.SIGHUP, `0s running, kill signal=1`},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, always, func(b *bench) {
				b.start()
				b.forget()
				b.must(b.super.Kill(b.t.Context(), c.signal))
				b.saw(c.want)
			})
		})
	}
}

func TestKillWhilePausedWakesItUp(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = undead }, func(b *bench) {
		b.start()
		b.must(b.super.Pause(b.t.Context()))
		b.forget()
		b.must(b.super.Kill(b.t.Context(), unix.SIGHUP))
		if !b.last().isFrozen() {
			b.t.Error("a signal that is no end woke it up")
		}
		b.must(b.super.Kill(b.t.Context(), unix.SIGKILL))
		if b.last().isFrozen() {
			b.t.Error("it is still frozen")
		}
		b.saw(`0s paused, kill signal=1
			0s running, unpause
			0s running, kill signal=9`)
		b.set(func() { b.process.signalErr = errors.New("not permitted") })
		if err := b.super.Kill(b.t.Context(), unix.SIGKILL); !errors.Is(err, b.process.signalErr) {
			b.t.Errorf("%v", err)
		}
		b.saw("")
	})
}

func TestAStopInVainIsToldOfBeforeTheKill(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = deaf }, func(b *bench) {
		b.start()
		var told []time.Duration
		vain := func() {
			if s := b.now(); s.Status != engine.StatusStopping {
				b.t.Errorf("told when it is %s", s.Status)
			}
			told = append(told, time.Since(b.began))
		}
		b.must(b.super.StopTelling(b.t.Context(), 3*time.Second, vain))
		if len(told) != 1 || told[0] != 3*time.Second {
			b.t.Errorf("told after %v", told)
		}
		b.start()
		b.set(func() { b.onSignal = nil })
		b.must(b.super.StopTelling(b.t.Context(), 3*time.Second, vain))
		if len(told) != 1 {
			b.t.Error("told of one that ended in time")
		}
	})
}

func TestAStopByKillSendsOneSignal(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = deaf }, func(b *bench) {
		b.start()
		b.forget()
		b.must(b.super.StopWith(b.t.Context(), unix.SIGKILL, 0))
		b.saw(`0s stopping
			0s stopping, kill signal=9
			0s taken back
			0s exited, die exitCode=137, stop`)
	})
}

func TestAStopWithAnotherSignal(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = deaf }, func(b *bench) {
		b.start()
		b.forget()
		b.must(b.super.StopWith(b.t.Context(), unix.SIGINT, time.Second))
		b.saw(`0s stopping
			0s stopping, kill signal=2
			1s stopping, kill signal=9
			1s taken back
			1s exited, die exitCode=137, stop`)
		b.start()
		b.forget()
		b.must(b.super.Stop(b.t.Context(), time.Second)) // the next one is by its own again
		b.saw(`1s stopping
			1s stopping, kill signal=15
			2s stopping, kill signal=9
			2s taken back
			2s exited, die exitCode=137, stop`)
	})
}

func TestAnEndByForceIsNoStop(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = deaf }, func(b *bench) {
		b.start()
		b.forget()
		b.must(b.super.Force(b.t.Context()))
		b.saw(`0s stopping
			0s stopping, kill signal=9
			0s taken back
			0s exited, die exitCode=137`)
		b.start()
		b.set(func() { b.onSignal = nil })
		b.forget()
		b.must(b.super.Stop(b.t.Context(), time.Second))
		b.saw(`0s stopping
			0s stopping, kill signal=15
			0s taken back
			0s exited, die exitCode=143, stop`)
	})
}
