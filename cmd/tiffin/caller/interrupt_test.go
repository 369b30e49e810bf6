package caller

import (
	"context"
	"errors"
	"os"
	"testing"
)

func TestAnInterruptIsSeenByWhoTakesThemOverAfterwards(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	c := &Caller{}
	taken := 0
	handler := func(os.Signal) {
		taken++
	}
	c.interrupt(os.Interrupt, cancel)
	release := c.TakeInterrupts(handler)
	if err := context.Cause(ctx); !errors.Is(err, ErrInterrupted) {
		t.Errorf("the context says %v", err)
	}
	c.interrupt(os.Interrupt, cancel)
	if release(); taken != 1 {
		t.Errorf("the handler was told %d times", taken)
	}
}

func TestInterruptsThatAreTakenOverEndNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	c := &Caller{}
	defer c.TakeInterrupts(func(os.Signal) {})()
	for range 3 {
		c.interrupt(os.Interrupt, cancel)
	}
	if err := ctx.Err(); err != nil {
		t.Error(err)
	}
}
