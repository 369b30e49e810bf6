package caller

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
)

// The exit codes; those of containers come on top.
const (
	ExitError       = 1
	ExitInterrupted = 130
)

// ExitWithError ends the command with a code and without a word: all was said.
type ExitWithError struct{ Code int }

func (e ExitWithError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// ExitWith is the end of a command that hands on the exit code of a container.
func ExitWith(code int) error {
	if code == 0 {
		return nil
	}
	return ExitWithError{code}
}

// commandError is an error of a command that was to be run: it has the exit code that a
// shell would give it.
type commandError struct {
	error
	code int
}

func (e commandError) Unwrap() error { return e.error }

// OfCommand gives the errors of commands that could not be run their exit codes.
func OfCommand(err error) error {
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return commandError{err, exit.Code}
	}
	return err
}

// Invalid is an error in how the command was used.
func Invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

// Fail shows an error (what and why, then what to do) and returns the exit code.
func (c *Caller) Fail(err error) int {
	var quiet ExitWithError
	if errors.As(err, &quiet) {
		return quiet.Code
	}
	code := ExitError
	var command commandError
	switch {
	case errors.Is(err, ErrInterrupted):
		fmt.Fprintln(c.Err, "canceled")
		return ExitInterrupted
	case errors.As(err, &command):
		code = command.code
	}
	if c.Opts.Progress == "json" {
		text, _ := json.Marshal(map[string]any{"error": true, "message": err.Error()}) // two plain values
		fmt.Fprintln(c.Err, string(text))
		return code
	}
	for _, other := range c.otherFailures(err.Error()) {
		fmt.Fprintln(c.Err, progress.Printable(other))
	}
	fmt.Fprintln(c.Err, progress.Printable(err.Error()))
	if hint := engine.HintOf(err); hint != "" {
		fmt.Fprintln(c.Err, progress.Printable(hint))
	}
	return code
}

// note remembers a failure that the error of the command may not tell of.
func (c *Caller) note(failure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.failures, failure) {
		c.failures = append(c.failures, failure)
	}
}

// otherFailures are those that said tells nothing of.
func (c *Caller) otherFailures(said string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.failures), func(f string) bool {
		return strings.Contains(said, f) || strings.Contains(f, said)
	})
}

// Warn tells the user what can be lived with.
func (c *Caller) Warn(text string) {
	if c.Opts.Progress == "json" {
		progress.NewJSON(c.Err).Report(engine.Progress{Status: engine.Warning, Text: text})
		return
	}
	fmt.Fprintln(c.Err, progress.WarningText(text))
}
