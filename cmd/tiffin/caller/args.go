package caller

import (
	"fmt"

	"github.com/spf13/cobra"

	"tiffin/engine"
)

// AtLeast wants n words after the flags, or more.
func AtLeast(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return Misused(cmd, fmt.Sprintf("requires at least %s", arguments(n)))
	}
}

// Exactly wants n words after the flags.
func Exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == n:
			return nil
		case n == 0:
			return Misused(cmd, "accepts no arguments")
		default:
			return Misused(cmd, fmt.Sprintf("requires %s", arguments(n)))
		}
	}
}

// Between wants so many words after the flags.
func Between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		return Misused(cmd, fmt.Sprintf("requires at least %d and at most %s", least, arguments(most)))
	}
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// Misused says what is wrong in docker's words, and how it would be right.
func Misused(cmd *cobra.Command, what string) error {
	return engine.Hint(Invalid("%q %s", cmd.CommandPath(), what), "Usage: "+cmd.UseLine())
}
