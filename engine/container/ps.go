package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
)

// renamedPID is a column of ps other than the PID with its title.
var renamedPID = regexp.MustCompile(`\s+(\S*)=\s*(PID\S*)`)

// topOf asks the host's ps, as dockerd does, and keeps what is of the container. There is no
// shell between.
//
// Errors: engine.ErrUnsupported without a ps; engine.ErrInvalid for what ps, or we, cannot read.
func topOf(ctx context.Context, args []string, pids []int) (*call.Top, error) {
	for _, m := range renamedPID.FindAllStringSubmatch(" "+strings.Join(args, " "), -1) {
		if m[1] != "pid" {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf(`specifying "%s=%s" is not allowed`, m[1], m[2]))
		}
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
	out, err := exec.CommandContext(ctx, ps, slices.Concat(args, []string{"-q" + strings.Join(only, ",")})...).Output() //nolint:gosec // that is asked for
	if err != nil {                                                                                                     // some options do not go together with -q
		out, err = exec.CommandContext(ctx, ps, args...).Output() //nolint:gosec // see above
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

// parsePS keeps the lines of ps that are about some processes. The line of a process's
// thread has a dash for its number and follows it.
func parsePS(out string, pids []int) (*call.Top, error) {
	of := map[int]bool{}
	for _, pid := range pids {
		of[pid] = true
	}
	var top *call.Top
	column, ours := -1, false
	for line := range strings.Lines(out) {
		fields := blank.Split(strings.Trim(line, " \t\r\n\v\f"), -1)
		switch {
		case top == nil:
			top = &call.Top{Titles: fields, Processes: [][]string{}}
			for i, title := range fields {
				if title == "PID" && column < 0 {
					column = i
				}
			}
			if column < 0 {
				return nil, engine.Problem(engine.ErrInvalid, errors.New("Couldn't find PID field in ps output")) //nolint:staticcheck // Docker's text
			}
			continue
		case len(fields) < len(top.Titles), fields[0] == "":
			continue // an empty line
		case fields[column] != "-":
			pid, err := strconv.Atoi(fields[column])
			if err != nil {
				return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("Unexpected pid '%s': %w", fields[column], err)) //nolint:staticcheck // Docker's text
			}
			ours = of[pid]
		}
		if ours {
			last := len(top.Titles) - 1
			top.Processes = append(top.Processes, append(fields[:last:last], strings.Join(fields[last:], " ")))
		}
	}
	if top == nil {
		return nil, engine.Problem(engine.ErrInvalid, errors.New("Couldn't find PID field in ps output")) //nolint:staticcheck // Docker's text
	}
	return top, nil
}

// blank separates columns. Other blanks than these are part of a command.
var blank = regexp.MustCompile(`[ \t\r\n\v\f]+`)
