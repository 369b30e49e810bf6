package engine

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestProblemHasAKindAndKeepsTheText(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		cause := fmt.Errorf("read config: %w", io.ErrUnexpectedEOF)
		err := fmt.Errorf("start web: %w", Problem(kind, cause))
		if got, want := err.Error(), "start web: read config: unexpected EOF"; got != want {
			t.Errorf("text %q, want %q", got, want)
		}
		if !errors.Is(err, kind) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: the kind or the cause is lost", kind)
		}
		for _, other := range Kinds() {
			if !errors.Is(other, kind) && errors.Is(err, other) {
				t.Errorf("an error of kind %q is also of kind %q", kind, other)
			}
		}
	}
}

func TestHintOf(t *testing.T) {
	t.Parallel()
	plain := errors.New("port 80 is taken")
	hinted := Hint(plain, "stop nginx")
	tests := map[string]struct {
		err  error
		want string
	}{
		"none":                        {plain, ""},
		"no error":                    {nil, ""},
		"one":                         {hinted, "stop nginx"},
		"below a wrapping":            {fmt.Errorf("start web: %w", hinted), "stop nginx"},
		"below a kind":                {Problem(ErrConflict, hinted), "stop nginx"},
		"among several errors":        {errors.Join(plain, hinted), "stop nginx"},
		"the outermost one wins":      {Hint(hinted, "use another port"), "use another port"},
		"and may not be hidden again": {fmt.Errorf("up: %w", Hint(hinted, "use another port")), "use another port"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := HintOf(tt.err); got != tt.want {
				t.Errorf("hint %q, want %q", got, tt.want)
			}
		})
	}
	if hinted.Error() != plain.Error() || !errors.Is(hinted, plain) {
		t.Error("a hint changed the error")
	}
}

func TestExitErrorIsFoundBelowOthers(t *testing.T) {
	t.Parallel()
	err := Hint(Problem(ErrNotFound, fmt.Errorf("exec: %w", &ExitError{Code: 127})), "install it")
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 127 {
		t.Errorf("no exit code in %v", err)
	}
	if got := exit.Error(); got != "exit code 127" {
		t.Errorf("text %q", got)
	}
}
