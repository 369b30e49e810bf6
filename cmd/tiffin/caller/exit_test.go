package caller

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestFail(t *testing.T) {
	for name, tc := range map[string]struct {
		err      error
		noted    []string
		progress string
		code     int
		said     string
	}{
		"an error and what to do": {
			err:  engine.Hint(engine.Problem(engine.ErrInvalid, errors.New("it is wrong")), "make it right"),
			code: 1, said: "it is wrong\nmake it right\n",
		},
		"the code of a command that could not be run": {
			err: OfCommand(fmt.Errorf("start web: %w", &engine.ExitError{Code: 127})), code: 127, said: "start web: exit code 127\n",
		},
		"that of a service that up was to start is no matter": {
			err: fmt.Errorf("start web: %w", &engine.ExitError{Code: 127}), code: 1, said: "start web: exit code 127\n",
		},
		"the code of a container, of which all was said": {err: ExitWith(3), code: 3},
		"an interrupt":                  {err: ErrInterrupted, code: 130, said: "canceled\n"},
		"other failures come before it": {err: errors.New("pull b"), noted: []string{"pull a", "pull b"}, code: 1, said: "pull a\npull b\n"},
		"nothing is said twice": {
			err: errors.New("up: pull b"), noted: []string{"pull b"}, code: 1, said: "up: pull b\n",
		},
		"JSON": {
			err: errors.New("no"), noted: []string{"other"}, progress: "json", code: 1, said: `{"error":true,"message":"no"}` + "\n",
		},
		"what comes from outside cannot move the cursor": {err: errors.New("\x1b[2Jgone"), code: 1, said: "\uFFFD[2Jgone\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			c := &Caller{Err: &said, Opts: Options{Progress: tc.progress}}
			for _, n := range tc.noted {
				c.note(n)
			}
			if code := c.Fail(tc.err); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if d := cmp.Diff(tc.said, said.String()); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}
