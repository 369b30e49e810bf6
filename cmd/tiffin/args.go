package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tiffin/engine"
)

// atLeast wants n words after the flags, or more.
func atLeast(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return misused(cmd, fmt.Sprintf("requires at least %s", arguments(n)))
	}
}

// exactly wants n words after the flags.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == n:
			return nil
		case n == 0:
			return misused(cmd, "accepts no arguments")
		default:
			return misused(cmd, fmt.Sprintf("requires %s", arguments(n)))
		}
	}
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// misused says what is wrong in docker's words, and how it would be right.
func misused(cmd *cobra.Command, what string) error {
	return engine.Hint(invalid("%q %s", cmd.CommandPath(), what), "Usage: "+cmd.UseLine())
}
