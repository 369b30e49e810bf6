package supervisor

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/healthcheck"
)

// checked is a container whose health check says what result says, every second.
func checked(result func(b *bench) int) func(*bench, *Config) {
	return func(b *bench, cfg *Config) {
		cfg.Check = &healthcheck.Check{Interval: time.Second, Timeout: 5 * time.Second, Retries: 2}
		b.onProbe = func(context.Context) healthcheck.Result {
			return healthcheck.Result{ExitCode: result(b), Output: "probed"}
		}
	}
}

func TestHealth(t *testing.T) {
	var sick atomic.Bool
	run(t, checked(func(*bench) int {
		if sick.Load() {
			return 1
		}
		return 0
	}), func(b *bench) {
		b.start()
		if b.now().Health.Status != engine.HealthStarting && b.now().Health.Status != engine.Healthy {
			b.t.Errorf("%+v", b.now().Health)
		}
		b.saw(`0s starting
			0s running, start
			0s running, health_status: healthy`)
		time.Sleep(1500 * time.Millisecond)
		sick.Store(true)
		time.Sleep(2 * time.Second)
		b.saw(`1s running
			2s running
			3s running, health_status: unhealthy`)
		if h := b.now().Health; h.FailingStreak != 2 || len(h.Log) != 4 || h.Log[3].Output != "probed" || h.Log[3].ExitCode != 1 {
			b.t.Errorf("%+v", h)
		}
		sick.Store(false)
		time.Sleep(time.Second)
		b.saw(`4s running, health_status: healthy`)
		b.stop()
		b.forget()
		time.Sleep(time.Minute)
		b.saw("")
		b.start()
		b.saw(`1m4.5s starting
			1m4.5s running, start
			1m4.5s running, health_status: healthy`)
		if h := b.now().Health; len(h.Log) != 1 {
			b.t.Errorf("the log of the former run is there: %+v", h)
		}
	})
}

func TestAPausedContainerIsNotProbed(t *testing.T) {
	run(t, checked(func(b *bench) int {
		if b.last().isFrozen() {
			b.t.Error("probed while frozen")
		}
		return 0
	}), func(b *bench) {
		b.start()
		time.Sleep(500 * time.Millisecond)
		b.forget()
		b.must(b.super.Pause(b.t.Context()))
		time.Sleep(time.Minute)
		b.must(b.super.Unpause(b.t.Context()))
		time.Sleep(500 * time.Millisecond)
		b.saw(`500ms paused, pause
			1m0.5s running, unpause
			1m0.5s running`)
		if b.now().Health.Status != engine.Healthy || len(b.now().Health.Log) != 2 {
			b.t.Errorf("%+v", b.now().Health)
		}
	})
}

func TestAProbeUnderWayHoldsNothingUp(t *testing.T) {
	// A probe that hangs until it is cut off, and then takes a while to go.
	hanging := func(b *bench, cfg *Config) {
		checked(nil)(b, cfg)
		cfg.Check.Timeout = time.Hour
		b.onProbe = func(ctx context.Context) healthcheck.Result {
			<-ctx.Done()
			time.Sleep(20 * time.Millisecond)
			return healthcheck.Result{ExitCode: -1}
		}
	}
	for name, end := range map[string]func(*bench){
		"a stop":                func(b *bench) { b.stop() },
		"an end":                func(b *bench) { b.last().ends(0) },
		"a kill":                func(b *bench) { b.must(b.super.Kill(b.t.Context(), unix.SIGKILL)) },
		"a pause":               func(b *bench) { b.must(b.super.Pause(b.t.Context())) },
		"the end of the engine": func(b *bench) { b.end(); <-b.ended },
		"a pause that goes wrong": func(b *bench) {
			b.set(func() { b.process.freezeErr = context.DeadlineExceeded })
			if b.super.Pause(b.t.Context()) == nil {
				b.t.Error("it did not go wrong")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, hanging, func(b *bench) {
				b.start()
				synctest.Wait()
				end(b)
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
				if took := time.Since(b.began); took > 40*time.Millisecond {
					b.t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestVerdictsThatNobodyWaitsForAnyMore(t *testing.T) {
	// Each probe ends in the moment in which the container does.
	run(t, func(b *bench, cfg *Config) {
		checked(nil)(b, cfg)
		cfg.Restart = engine.RestartPolicy{Mode: engine.RestartAlways, Delay: engine.Duration(time.Millisecond)}
		b.onProbe = func(context.Context) healthcheck.Result {
			b.last().ends(1)
			return healthcheck.Result{}
		}
	}, func(b *bench) {
		b.start()
		time.Sleep(time.Second)
		if b.now().RestartCount < 100 {
			b.t.Errorf("%+v", b.now())
		}
		b.stop()
	})
}

func TestHealthGoesOnUnderAnotherEngine(t *testing.T) {
	for name, c := range map[string]struct {
		was  engine.Health
		code int
		want string
	}{
		"a healthy one stays so without a word": {
			engine.Health{Status: engine.Healthy}, 0, `0s running`,
		},
		"an unhealthy one stays so": {
			engine.Health{Status: engine.Unhealthy, FailingStreak: 5}, 1, `0s running`,
		},
		"the streak goes on": {
			engine.Health{Status: engine.Healthy, FailingStreak: 1}, 1, `0s running, health_status: unhealthy`,
		},
		"one that was starting": {
			engine.Health{Status: engine.HealthStarting}, 0, `0s running, health_status: healthy`,
		},
		"one of a version that knew no health": {
			engine.Health{}, 0, `0s running, health_status: healthy`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(b *bench, cfg *Config) {
				checked(func(*bench) int { return c.code })(b, cfg)
				adopted(engine.StatusRunning)(b, cfg)
				cfg.State.Health = c.was
			}, func(b *bench) { b.saw(c.want) })
		})
	}
}

func TestWhenItIsProbed(t *testing.T) {
	for name, c := range map[string]struct {
		then func(*bench)
		want int32 // probes in the ten seconds after it
	}{
		"while it runs":                 {func(*bench) {}, 10},
		"not after its end":             {func(b *bench) { b.last().ends(0) }, 0},
		"not while it is being stopped": {func(b *bench) { go func() { _ = b.super.Stop(b.t.Context(), time.Minute) }() }, 0},
		"not while it is paused":        {func(b *bench) { b.must(b.super.Pause(b.t.Context())) }, 0},
		"again after a pause that went wrong": {func(b *bench) {
			b.set(func() { b.process.freezeErr = context.DeadlineExceeded })
			if b.super.Pause(b.t.Context()) == nil {
				b.t.Error("it did not go wrong")
			}
		}, 11},
	} {
		t.Run(name, func(t *testing.T) {
			var probes atomic.Int32
			run(t, func(b *bench, cfg *Config) {
				checked(func(*bench) int { probes.Add(1); return 0 })(b, cfg)
				b.onSignal = undead
			}, func(b *bench) {
				b.start()
				time.Sleep(5500 * time.Millisecond)
				probes.Store(0)
				c.then(b)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if got := probes.Load(); got != c.want {
					b.t.Errorf("%d probes, want %d", got, c.want)
				}
			})
		})
	}
}
