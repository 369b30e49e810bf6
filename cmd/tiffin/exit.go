package main

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
	exitError       = 1
	exitInterrupted = 130
)

// exitWithError ends the command with a code and without a word: all was said.
type exitWithError struct{ code int }

func (e exitWithError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exitWith is the end of a command that hands on the exit code of a container.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return exitWithError{code}
}

// commandError is an error of a command that was to be run: it has the exit code that a
// shell would give it.
type commandError struct {
	error
	code int
}

func (e commandError) Unwrap() error { return e.error }

// ofCommand gives the errors of commands that could not be run their exit codes.
func ofCommand(err error) error {
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return commandError{err, exit.Code}
	}
	return err
}

// invalid is an error in how the command was used.
func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

// fail shows an error (what and why, then what to do) and returns the exit code.
func (c *cli) fail(err error) int {
	var quiet exitWithError
	if errors.As(err, &quiet) {
		return quiet.code
	}
	code := exitError
	var command commandError
	switch {
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(c.err, "canceled")
		return exitInterrupted
	case errors.As(err, &command):
		code = command.code
	}
	if c.opts.progress == "json" {
		text, _ := json.Marshal(map[string]any{"error": true, "message": err.Error()}) // two plain values
		fmt.Fprintln(c.err, string(text))
		return code
	}
	for _, other := range c.otherFailures(err.Error()) {
		fmt.Fprintln(c.err, progress.Printable(other))
	}
	fmt.Fprintln(c.err, progress.Printable(err.Error()))
	if hint := engine.HintOf(err); hint != "" {
		fmt.Fprintln(c.err, progress.Printable(hint))
	}
	return code
}

// note remembers a failure that the error of the command may not tell of.
func (c *cli) note(failure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.failures, failure) {
		c.failures = append(c.failures, failure)
	}
}

// otherFailures are those that said tells nothing of.
func (c *cli) otherFailures(said string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.failures), func(f string) bool {
		return strings.Contains(said, f) || strings.Contains(f, said)
	})
}

// warn tells the user what can be lived with.
func (c *cli) warn(text string) {
	if c.opts.progress == "json" {
		progress.NewJSON(c.err).Report(engine.Progress{Status: engine.Warning, Text: text})
		return
	}
	fmt.Fprintln(c.err, progress.WarningText(text))
}
