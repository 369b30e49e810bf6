package ocispec

import (
	"errors"
	"slices"

	"tiffin/engine"
)

// Args is the command line of PID 1: entrypoint, then command. As with Docker, an
// entrypoint of the container's own takes the image's command with it, one that is
// cleared by [""] too; one that is cleared by [] leaves the image's command in place.
//
// Errors: engine.ErrInvalid when nothing is left to be run.
func Args(spec *engine.ContainerSpec, image *engine.ImageConfig) ([]string, error) {
	entrypoint, cmd := commandLine(spec, image)
	args := slices.Concat(entrypoint, cmd)
	if len(args) == 0 || args[0] == "" {
		return nil, engine.Hint(engine.Problem(engine.ErrInvalid, errors.New("no command specified")),
			"neither the image nor the service says what to run: give the service a command or an entrypoint")
	}
	return args, nil
}

// commandLine is the command line in its two parts.
func commandLine(spec *engine.ContainerSpec, image *engine.ImageConfig) (entrypoint, cmd []string) {
	entrypoint, cmd = spec.Entrypoint, spec.Cmd
	if len(entrypoint) == 0 && cmd == nil {
		cmd = image.Cmd
	}
	if entrypoint == nil {
		entrypoint = image.Entrypoint
	}
	if len(entrypoint) == 1 && entrypoint[0] == "" {
		entrypoint = nil
	}
	return entrypoint, cmd
}
