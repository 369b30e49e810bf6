package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
)

// topOf asks the host's ps, as dockerd does, and keeps what is of the container. There is no
// shell between.
//
// Errors: engine.ErrUnsupported without a ps; engine.ErrInvalid for what ps, or we, cannot read.
func topOf(ctx context.Context, args []string, pids []int) (*call.Top, error) {
	if err := checkTitles(args); err != nil {
		return nil, err
	}
	ps, err := exec.LookPath("ps")
	if err != nil {
		return nil, engine.Hint(engine.Problem(engine.ErrUnsupported, fmt.Errorf("ps options %q: the host has no ps to ask", args)),
			"install ps (procps), or leave the options away")
	}
	only := make([]string, len(pids))
	for i, pid := range pids {
		only[i] = strconv.Itoa(pid)
	}
	out, err := exec.CommandContext(ctx, ps, slices.Concat(args, []string{"-q" + strings.Join(only, ",")})...).Output()
	if err != nil { // some options do not go together with -q
		out, err = exec.CommandContext(ctx, ps, args...).Output()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if first, _, _ := bytes.Cut(exit.Stderr, []byte("\n")); len(first) > 0 {
			err = errors.New(string(first))
		}
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("ps: %w", err))
	}
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	return parsePS(string(out), pids)
}

// checkTitles refuses a column other than the PID with its title: it would be taken for it.
func checkTitles(args []string) error {
	for i, arg := range args {
		for j := range arg {
			if arg[j] != '=' {
				continue
			}
			column, title := arg[:j], arg[j+1:]
			if title == "" && i+1 < len(args) {
				title = args[i+1]
			}
			if strings.HasPrefix(title, "PID") && column != "pid" {
				return engine.Problem(engine.ErrInvalid, fmt.Errorf(`specifying "%s=%s" is not allowed`, column, title))
			}
		}
	}
	return nil
}

// parsePS keeps the lines of ps that are about some processes. The line of a process's
// thread has a dash for its number and follows it.
func parsePS(out string, pids []int) (*call.Top, error) {
	head, rest, _ := strings.Cut(out, "\n")
	top := &call.Top{Titles: columns(head), Processes: [][]string{}}
	column := slices.Index(top.Titles, "PID")
	if column < 0 {
		return nil, engine.Problem(engine.ErrInvalid, errors.New("Couldn't find PID field in ps output")) //nolint:staticcheck // Docker's text
	}
	last, ours := len(top.Titles)-1, false
	for line := range strings.Lines(rest) {
		fields := columns(line)
		if len(fields) <= last {
			continue // an empty line
		}
		if fields[column] != "-" {
			pid, err := strconv.Atoi(fields[column])
			if err != nil {
				return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("Unexpected pid '%s': %w", fields[column], err)) //nolint:staticcheck // Docker's text
			}
			ours = slices.Contains(pids, pid)
		}
		if ours {
			top.Processes = append(top.Processes, append(fields[:last:last], strings.Join(fields[last:], " ")))
		}
	}
	return top, nil
}

// columns are what blanks of ASCII divide: others are part of a command.
func columns(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f", r) })
}
