package supervisor

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

func policy(mode engine.RestartMode) func(*bench, *Config) {
	return func(_ *bench, cfg *Config) { cfg.Restart.Mode = mode }
}

func TestRestartsWithGrowingBackOff(t *testing.T) {
	run(t, policy(engine.RestartAlways), func(b *bench) {
		b.start()
		b.forget()
		for range 3 {
			b.last().ends(1)
			time.Sleep(500 * time.Millisecond)
		}
		b.saw(`0s taken back
			0s restarting, die exitCode=1
			100ms starting
			100ms running, start
			500ms taken back
			500ms restarting, die exitCode=1
			700ms starting
			700ms running, start
			1s taken back
			1s restarting, die exitCode=1
			1.4s starting
			1.4s running, start`)
		if s := b.now(); s.RestartCount != 3 || s.RestartStreak != 3 {
			b.t.Errorf("%+v", s)
		}
		time.Sleep(10 * time.Second)
		b.last().ends(0)
		b.saw(`11.5s taken back
			11.5s restarting, die exitCode=0`)
		time.Sleep(100 * time.Millisecond)
		b.saw(`11.6s starting
			11.6s running, start`)
		if s := b.now(); s.RestartCount != 4 || s.RestartStreak != 1 {
			b.t.Errorf("%+v", s)
		}
		b.stop()
		b.start()
		if s := b.now(); s.RestartCount != 0 || s.RestartStreak != 0 || s.Stopped {
			b.t.Errorf("%+v", s)
		}
	})
}

func TestRestartsOnFailureAreUsedUp(t *testing.T) {
	run(t, func(_ *bench, cfg *Config) {
		cfg.Restart = engine.RestartPolicy{Mode: engine.RestartOnFailure, MaxAttempts: 2, Delay: engine.Duration(time.Second)}
	}, func(b *bench) {
		b.start()
		b.forget()
		for range 3 {
			b.last().ends(1)
			time.Sleep(2 * time.Second)
		}
		b.saw(`0s taken back
			0s restarting, die exitCode=1
			1s starting
			1s running, start
			2s taken back
			2s restarting, die exitCode=1
			3s starting
			3s running, start
			4s taken back
			4s exited, die exitCode=1`)
		b.start()
		b.forget()
		b.last().ends(0)
		time.Sleep(time.Minute)
		b.saw(`6s taken back
			6s exited, die exitCode=0`)
	})
}

func TestAnotherPolicyCountsFromTheNextEnd(t *testing.T) {
	run(t, policy(engine.RestartAlways), func(b *bench) {
		b.start()
		b.forget()
		b.must(b.super.SetRestart(b.t.Context(), engine.RestartPolicy{}))
		b.last().ends(1)
		time.Sleep(time.Minute)
		b.saw(`0s taken back
			0s exited, die exitCode=1`)
	})
}

func TestARestartThatFailsIsTriedAgain(t *testing.T) {
	run(t, policy(engine.RestartAlways), func(b *bench) {
		b.start()
		b.forget()
		b.set(func() { b.onStart = func(context.Context) error { return errors.New("port 80 is taken") } })
		b.last().ends(1)
		time.Sleep(time.Second)
		if s := b.now(); s.Error != "port 80 is taken" || s.ExitCode != 128 || s.Status != engine.StatusRestarting {
			b.t.Errorf("%+v", s)
		}
		b.set(func() { b.onStart = nil })
		time.Sleep(time.Second)
		b.saw(`0s taken back
			0s restarting, die exitCode=1
			100ms starting
			100ms restarting
			300ms starting
			300ms restarting
			700ms starting
			700ms restarting
			1.5s starting
			1.5s running, start`)
		if s := b.now(); s.Error != "" || s.RestartCount != 4 {
			b.t.Errorf("%+v", s)
		}
	})
}

func TestAContainerThatWaitsForItsRestart(t *testing.T) {
	waiting := func(b *bench) {
		b.start()
		b.last().ends(1)
		time.Sleep(time.Millisecond)
		b.forget()
		if b.now().Status != engine.StatusRestarting {
			b.t.Fatalf("it is %s", b.now().Status)
		}
	}
	for name, test := range map[string]func(*bench){
		"is stopped": func(b *bench) {
			b.stop()
			time.Sleep(time.Minute)
			b.saw("1ms exited, stop")
			if !b.now().Stopped {
				b.t.Errorf("%+v", b.now())
			}
		},
		"is killed": func(b *bench) {
			b.must(b.super.Kill(b.t.Context(), unix.SIGKILL))
			time.Sleep(time.Minute)
			b.saw("1ms exited")
		},
		"is started at once": func(b *bench) {
			b.start()
			b.saw(`1ms starting
				1ms running, start`)
			if b.now().RestartCount != 0 {
				b.t.Errorf("%+v", b.now())
			}
		},
		"is not removed": func(b *bench) {
			b.conflicts(b.super.Remove(b.t.Context()), "remove: the container is restarting")
		},
		"takes no other signal": func(b *bench) {
			b.conflicts(b.super.Kill(b.t.Context(), unix.SIGHUP), "kill: the container is not running")
			b.conflicts(b.super.Pause(b.t.Context()), "pause: the container is not running")
			b.saw("")
		},
		"waits no longer than the engine": func(b *bench) {
			b.end()
			<-b.ended
			b.saw("")
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, policy(engine.RestartUnlessStopped), func(b *bench) {
				waiting(b)
				test(b)
			})
		})
	}
}
