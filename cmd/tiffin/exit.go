package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"tiffin/engine"
)

// The exit codes; those of containers come on top.
const (
	exitError       = 1
	exitInterrupted = 130
)

// quietExit ends the command with a code and without a word: the container said it all.
type quietExit struct{ code int }

func (q quietExit) Error() string { return fmt.Sprintf("exit code %d", q.code) }

// fail shows an error (what and why, then what to do) and returns the exit code.
func (c *cli) fail(err error) int {
	var quiet quietExit
	if errors.As(err, &quiet) {
		return quiet.code
	}
	code := exitError
	var exit *engine.ExitError
	switch {
	case errors.Is(err, errInterrupted):
		if !errors.Is(err, engine.ErrUnavailable) {
			fmt.Fprintln(c.err, "canceled")
		}
		return exitInterrupted
	case errors.As(err, &exit):
		code = exit.Code
	}
	if c.opts.progress == "json" {
		text, _ := json.Marshal(map[string]any{"error": true, "message": err.Error()}) //nolint:errcheck,errchkjson // two plain values
		fmt.Fprintln(c.err, string(text))
		return code
	}
	fmt.Fprintln(c.err, printable(err.Error()))
	if hint := engine.HintOf(err); hint != "" {
		fmt.Fprintln(c.err, printable(hint))
	}
	return code
}

// printable keeps control characters that came from images, registries or files
// away from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
