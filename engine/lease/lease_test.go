package lease

import (
	"context"
	"errors"
	"slices"
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

// stacks writes down what it is asked for.
type stacks struct {
	said       []string
	up         func(context.Context) error
	downFailed error
	downAlive  bool
}

func (s *stacks) Up(ctx context.Context, _ *call.UpRequest, _ engine.Report) error {
	s.said = append(s.said, "up")
	if s.up != nil {
		return s.up(ctx)
	}
	return nil
}

func (s *stacks) Down(ctx context.Context, req *call.DownRequest, _ engine.Report) error {
	s.said = append(s.said, "down "+req.Project)
	s.downAlive = ctx.Err() == nil
	return s.downFailed
}

func TestAProjectIsTakenAwayHoweverItsLeaseEnds(t *testing.T) {
	t.Parallel()
	errGone, errUp, errDown := errors.New("gone"), errors.New("up failed"), errors.New("down failed")
	shutdown := engine.Problem(engine.ErrUnavailable, errors.New("ending"))
	both, upOnly := []string{"up", "down p"}, []string{"up"}
	untilEnd := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	tests := map[string]struct {
		up    func(context.Context) error
		down  error
		hold  bool // without Up
		ready func(*Holder, context.CancelCauseFunc)
		first func(*Holder, context.CancelCauseFunc) // while up is under way
		said  []string
		want  []error
	}{
		"the caller gives it back":            {ready: func(h *Holder, _ context.CancelCauseFunc) { _ = h.End("p") }, said: both},
		"the caller goes away":                {ready: func(_ *Holder, gone context.CancelCauseFunc) { gone(errGone) }, said: both},
		"up fails":                            {up: func(context.Context) error { return errUp }, said: both, want: []error{errUp}},
		"up and down fail":                    {up: func(context.Context) error { return errUp }, down: errDown, said: both, want: []error{errUp, errDown}},
		"the caller ends it while it goes up": {up: untilEnd, first: func(h *Holder, _ context.CancelCauseFunc) { _ = h.End("p") }, said: both},
		"the caller is killed while it goes up": {
			up: untilEnd, first: func(_ *Holder, gone context.CancelCauseFunc) { gone(errGone) }, said: both, want: []error{errGone},
		},
		"an engine that ends leaves it": {ready: func(_ *Holder, gone context.CancelCauseFunc) { gone(shutdown) }, said: upOnly, want: []error{engine.ErrUnavailable}},
		"so does one that ends early":   {up: func(context.Context) error { return shutdown }, said: upOnly, want: []error{engine.ErrUnavailable}},
		"the next engine takes it over": {hold: true, ready: func(h *Holder, _ context.CancelCauseFunc) { _ = h.End("p") }, said: []string{"down p"}},
		"nobody else can have it at once": {
			ready: func(h *Holder, _ context.CancelCauseFunc) {
				if err := h.Hold(t.Context(), &Request{Down: call.DownRequest{Project: "p"}}, nil, func() {}); !errors.Is(err, engine.ErrConflict) {
					t.Errorf("a second lease: %v", err)
				}
				_ = h.End("p")
			}, said: both,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, gone := context.WithCancelCause(t.Context())
			defer gone(nil)
			s := &stacks{downFailed: tt.down}
			h := New(s)
			s.up = func(ctx context.Context) error {
				if tt.first != nil {
					tt.first(h, gone)
				}
				if tt.up == nil {
					return nil
				}
				return tt.up(ctx)
			}
			req := &Request{Up: &call.UpRequest{}, Down: call.DownRequest{Project: "p"}}
			if tt.hold {
				req.Up = nil
			}
			err := h.Hold(ctx, req, nil, func() {
				if tt.ready == nil {
					t.Error("it is ready")
					gone(errGone)
					return
				}
				tt.ready(h, gone)
			})
			if !slices.Equal(s.said, tt.said) {
				t.Errorf("%q, want %q", s.said, tt.said)
			}
			if slices.Contains(s.said, "down p") && !s.downAlive {
				t.Error("down ends with the caller")
			}
			if len(tt.want) == 0 && err != nil {
				t.Errorf("error %v", err)
			}
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
			}
			if err := h.End("p"); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}
