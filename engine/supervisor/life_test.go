package supervisor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

func TestALife(t *testing.T) {
	run(t, nil, func(b *bench) {
		b.start()
		b.saw(`0s starting
			0s running, start`)
		if b.now().Pid != 100 || !b.now().StartedAt.Equal(b.began) {
			b.t.Errorf("%+v", b.now())
		}
		b.start() // does nothing
		b.saw("")
		time.Sleep(time.Minute)
		b.last().ends(3)
		b.saw(`1m0s taken back
			1m0s exited, die exitCode=3`)
		if s := b.now(); s.Pid != 0 || s.ExitCode != 3 || s.FinishedAt.Sub(s.StartedAt) != time.Minute || s.Stopped {
			b.t.Errorf("%+v", s)
		}
		b.stop() // does nothing
		b.start()
		if s := b.now(); s.Pid != 101 || s.ExitCode != 0 || !s.FinishedAt.IsZero() {
			b.t.Errorf("%+v", s)
		}
		b.stop()
		b.saw(`1m0s starting
			1m0s running, start
			1m0s stopping
			1m0s stopping, kill signal=15
			1m0s taken back
			1m0s exited, die exitCode=143, stop`)
		b.must(b.super.Remove(b.t.Context()))
		b.saw("1m0s removing")
		<-b.ended
		b.must(b.super.Remove(b.t.Context()))
		b.conflicts(b.super.Start(b.t.Context()), "start: the container is gone")
	})
}

func TestAStartThatFails(t *testing.T) {
	broken := errors.New("no such file")
	run(t, func(b *bench, cfg *Config) {
		cfg.Restart = engine.RestartPolicy{Mode: engine.RestartAlways}
		b.onStart = func(context.Context) error { return broken }
	}, func(b *bench) {
		if err := b.super.Start(b.t.Context()); !errors.Is(err, broken) {
			b.t.Errorf("%v", err)
		}
		b.saw(`0s starting
			0s created`)
		if s := b.now(); s.Error != "no such file" || s.ExitCode != 128 || s.FinishedAt.IsZero() {
			b.t.Errorf("%+v", s)
		}
		broken = &engine.ExitError{Code: 127}
		if err := b.super.Start(b.t.Context()); !errors.Is(err, broken) {
			b.t.Errorf("%v", err)
		}
		if s := b.now(); s.ExitCode != 127 {
			b.t.Errorf("%+v", s)
		}
		b.set(func() { b.onStart = nil })
		b.start()
		if s := b.now(); s.Error != "" || s.ExitCode != 0 || !s.FinishedAt.IsZero() {
			b.t.Errorf("%+v", s)
		}
		b.stop()
		b.set(func() { b.onStart = func(context.Context) error { return broken } })
		b.forget()
		if err := b.super.Start(b.t.Context()); !errors.Is(err, broken) {
			b.t.Errorf("%v", err)
		}
		b.saw(`0s starting
			0s exited`)
	})
}

func TestCommandsWaitWhileItStarts(t *testing.T) {
	run(t, func(b *bench, _ *Config) {
		b.onStart = func(context.Context) error {
			time.Sleep(time.Second)
			return nil
		}
	}, func(b *bench) {
		impatient, cancel := context.WithTimeout(b.t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := b.super.Start(impatient); !errors.Is(err, context.DeadlineExceeded) {
			b.t.Errorf("%v", err)
		}
		b.stop()
		b.saw(`0s starting
			1s running, start
			1s stopping
			1s stopping, kill signal=15
			1s taken back
			1s exited, die exitCode=143, stop`)
	})
}

func TestTheEndOfTheEngineLeavesTheProcessAlone(t *testing.T) {
	run(t, nil, func(b *bench) {
		b.start()
		b.forget()
		b.end()
		<-b.ended
		b.saw("")
		if err := b.super.Stop(b.t.Context(), 0); !errors.Is(err, engine.ErrUnavailable) {
			b.t.Errorf("%v", err)
		}
		if err := b.super.Remove(b.t.Context()); !errors.Is(err, engine.ErrUnavailable) {
			b.t.Errorf("%v", err)
		}
	})
}

// untilTheEnd is a start that the end of the engine interrupts.
func untilTheEnd(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestTheEndOfTheEngineInAStartIsNoFailure(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onStart = untilTheEnd }, func(b *bench) {
		reply := make(chan error)
		go func() { reply <- b.super.Start(context.WithoutCancel(b.t.Context())) }()
		synctest.Wait()
		b.end()
		if err := <-reply; !errors.Is(err, context.Canceled) {
			b.t.Errorf("%v", err)
		}
		b.saw(`0s starting
			0s created`)
		if s := b.now(); s.Error != "" || s.ExitCode != 0 {
			b.t.Errorf("%+v", s)
		}
	})
}

func TestTheEndOfTheEngineInARestartIsNoFailure(t *testing.T) {
	run(t, func(_ *bench, cfg *Config) { cfg.Restart.Mode = engine.RestartAlways }, func(b *bench) {
		b.start()
		b.set(func() { b.onStart = untilTheEnd })
		b.last().ends(1)
		time.Sleep(time.Second)
		b.forget()
		b.end()
		b.saw("1s restarting")
		if s := b.now(); s.Error != "" || s.RestartCount != 1 {
			b.t.Errorf("%+v", s)
		}
	})
}

func TestTheEndOfTheEngineInAStop(t *testing.T) {
	run(t, func(b *bench, _ *Config) { b.onSignal = deaf }, func(b *bench) {
		b.start()
		reply := make(chan error)
		go func() { reply <- b.super.Stop(context.WithoutCancel(b.t.Context()), time.Minute) }()
		synctest.Wait()
		b.end()
		if err := <-reply; !errors.Is(err, engine.ErrUnavailable) {
			b.t.Errorf("%v", err)
		}
		if b.now().Status != engine.StatusStopping {
			b.t.Errorf("it is %s", b.now().Status)
		}
	})
}

func TestAnEndThatNobodySaw(t *testing.T) {
	run(t, func(b *bench, cfg *Config) {
		lost := &process{b: b, pid: 7, wait: errors.New("keeper lost")}
		cfg.Process, cfg.State = lost, engine.State{Status: engine.StatusRunning, Pid: 7, StartedAt: time.Now()}
	}, func(b *bench) {
		b.saw(`0s taken back
			0s exited, die exitCode=255`)
	})
}

func TestAnEndByLackOfMemory(t *testing.T) {
	run(t, nil, func(b *bench) {
		b.start()
		b.forget()
		b.last().exit <- Exit{Code: 137, OOM: true, At: time.Now()}
		b.saw(`0s taken back
			0s exited, oom, die exitCode=137`)
		if !b.now().OOMKilled {
			b.t.Errorf("%+v", b.now())
		}
		b.start()
		if b.now().OOMKilled {
			b.t.Errorf("%+v", b.now())
		}
	})
}

func TestWhatDoesNotRunRefuses(t *testing.T) {
	run(t, nil, func(b *bench) {
		ctx := b.t.Context()
		b.conflicts(b.super.Kill(ctx, unix.SIGTERM), "kill: the container is not running")
		b.conflicts(b.super.Pause(ctx), "pause: the container is not running")
		b.conflicts(b.super.Unpause(ctx), "unpause: the container is not running")
		b.saw("")
	})
}

func TestWhatRunsIsNotRemoved(t *testing.T) {
	run(t, nil, func(b *bench) {
		b.start()
		b.conflicts(b.super.Remove(b.t.Context()), "remove: the container is running")
		b.must(b.super.Pause(b.t.Context()))
		b.conflicts(b.super.Remove(b.t.Context()), "remove: the container is running")
	})
}

func TestManyCommandsAtOnce(t *testing.T) {
	run(t, func(b *bench, cfg *Config) {
		cfg.Restart.Mode = engine.RestartAlways
		b.onSignal = func(p *process, sig unix.Signal) {
			go func() {
				time.Sleep(30 * time.Millisecond)
				p.ends(128 + int(sig))
			}()
		}
	}, func(b *bench) {
		ctx := b.t.Context()
		commands := []func() error{
			func() error { return b.super.Start(ctx) },
			func() error { return b.super.Stop(ctx, time.Millisecond) },
			func() error { return b.super.Kill(ctx, unix.SIGKILL) },
			func() error { return b.super.Pause(ctx) },
			func() error { return b.super.Unpause(ctx) },
		}
		done := make(chan struct{})
		for i := range 20 {
			go func() {
				defer func() { done <- struct{}{} }()
				for j := range 50 {
					err := commands[(i+j)%len(commands)]()
					if err != nil && !errors.Is(err, engine.ErrConflict) {
						b.t.Error(err)
					}
					time.Sleep(time.Duration(i*j) * time.Millisecond)
				}
			}()
		}
		for range 20 {
			<-done
		}
		b.must(b.super.Stop(ctx, 0))
		b.must(b.super.Remove(ctx))
	})
}

func TestWhatIsDoneToAContainerIsNotDoneWhileItStarts(t *testing.T) {
	var b *bench
	run(t, func(made *bench, _ *Config) {
		b = made
		b.onStart = func(context.Context) error {
			time.Sleep(time.Second)
			b.note("the process is made")
			return nil
		}
	}, func(b *bench) {
		do := func() error {
			return b.super.Do(b.t.Context(), func(context.Context) error { b.note("done"); return nil })
		}
		b.must(do())
		go func() { _ = b.super.Start(b.t.Context()) }()
		synctest.Wait()
		b.must(do())
		b.stop()
		b.must(do())
		b.saw(`0s done
			0s starting
			1s the process is made
			1s running, start
			1s done
			1s stopping
			1s stopping, kill signal=15
			1s taken back
			1s exited, die exitCode=143, stop
			1s done`)
		broken := errors.New("no")
		if err := b.super.Do(b.t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
			b.t.Errorf("got %v", err)
		}
		b.must(b.super.Remove(b.t.Context()))
		b.conflicts(do(), "change: the container is gone")
	})
}
