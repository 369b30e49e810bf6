package client

import (
	"context"
	"io"
	"net"
	"os"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Dial connects with the engine's builder.
type Dial func(context.Context) (net.Conn, error)

// Target is the build of one service.
type Target struct {
	Name  string // of the service
	Image string // the name that its image gets
	Build engine.Build
}

// Options say what is built and how. The zero value of all but Targets will do.
type Options struct {
	Targets []Target
	// Images are the images of services that are no targets, for contexts of the kind service:NAME.
	Images map[string]string

	Push    bool
	Outputs []string // as buildx's --output has them; none: the image store
	NoCache bool
	Pull    bool
	// Args replace those of the targets: KEY=value.
	Args   []string
	Memory engine.Bytes
	SSH    []engine.BuildSSH
	// Provenance and SBOM replace those of the targets unless they are empty.
	Provenance, SBOM string

	Progress Progress
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	// Lookup finds variables of the caller's environment; nil: that of the process.
	Lookup func(string) (string, bool)
	// Auth finds the login for a registry; nil: there is none.
	Auth func(ctx context.Context, registry string) (call.RegistryAuth, error)
}

// Result is what came of a target.
type Result struct {
	Name   string
	Image  string
	ID     string // digest of the config; empty without an image
	Digest string // of the manifest, or of the index
}

func (o *Options) lookup(key string) (string, bool) {
	if o.Lookup != nil {
		return o.Lookup(key)
	}
	return os.LookupEnv(key)
}

func (o *Options) stderr() io.Writer {
	if o.Stderr == nil {
		return io.Discard
	}
	return o.Stderr
}

func (o *Options) stdout() io.Writer {
	if o.Stdout == nil {
		return io.Discard
	}
	return o.Stdout
}
