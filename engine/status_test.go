package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// life is the whole table, from left to top: x where a status leads to another one.
const life = `
           created starting running paused stopping restarting exited removing
created          .        x       .      .        .          .      .        x
starting         x        .       x      .        .          .      x        .
running          .        .       .      x        x          .      x        .
paused           .        .       x      .        x          .      x        .
stopping         .        .       .      .        .          .      x        .
restarting       .        x       .      .        .          .      x        .
exited           .        x       .      .        .          x      .        x
removing         .        .       .      .        .          .      .        .
`

func TestEachPairOfStatuses(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%10s", "")
	for _, to := range Statuses() {
		fmt.Fprintf(&b, " %s", to)
	}
	for _, from := range Statuses() {
		fmt.Fprintf(&b, "\n%-10s", from)
		for _, to := range Statuses() {
			mark := "x"
			switch err := from.To(to); {
			case errors.Is(err, ErrConflict):
				mark = "."
			case err != nil:
				t.Errorf("from %s to %s: %v is not a conflict", from, to, err)
			}
			fmt.Fprintf(&b, " %*s", len(to), mark)
		}
	}
	b.WriteByte('\n')
	if diff := cmp.Diff(life, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestStatusOfNoTableLeadsNowhere(t *testing.T) {
	t.Parallel()
	for _, to := range Statuses() {
		if err := Status("unknown").To(to); !errors.Is(err, ErrConflict) {
			t.Errorf("to %s: %v", to, err)
		}
	}
}

func TestWhatAStatusMeans(t *testing.T) {
	t.Parallel()
	const want = `created    docker created    alive false
starting   docker created    alive false
running    docker running    alive true
paused     docker paused     alive true
stopping   docker running    alive true
restarting docker restarting alive false
exited     docker exited     alive false
removing   docker removing   alive false
`
	var b strings.Builder
	for _, s := range Statuses() {
		fmt.Fprintf(&b, "%-10s docker %-10s alive %v\n", s, s.Docker(), s.Alive())
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		state State
		want  bool
	}{
		"never started":                   {State{Status: StatusCreated}, false},
		"could not be started":            {State{Status: StatusCreated, Error: "no such file"}, true},
		"about to run":                    {State{Status: StatusStarting}, false},
		"runs":                            {State{Status: StatusRunning}, false},
		"waits for its back-off":          {State{Status: StatusRestarting}, false},
		"exited":                          {State{Status: StatusExited}, true},
		"removed":                         {State{Status: StatusRemoving}, true},
		"runs again after a failed start": {State{Status: StatusRunning, Error: "left over"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Container{State: tt.state}
			if got := c.Ended(); got != tt.want {
				t.Errorf("ended %v, want %v", got, tt.want)
			}
		})
	}
}
