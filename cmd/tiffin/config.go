package main

import (
	"errors"

	"github.com/spf13/cobra"

	"tiffin/engine"
)

func newConfig(*cli) *cobra.Command {
	return &cobra.Command{
		Use:   "config [OPTIONS] [SERVICE...]",
		Short: "Parse, resolve and render compose file in canonical format",
		RunE: func(*cobra.Command, []string) error {
			return engine.Problem(engine.ErrUnsupported, errors.New("config is not carried out yet"))
		},
	}
}
