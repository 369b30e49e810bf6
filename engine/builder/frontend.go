package builder

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/executor"
	"github.com/moby/buildkit/frontend"
	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/gateway/forwarder"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/worker"

	"tiffin/engine"
)

// frontends are those that are built in. A Dockerfile that asks for another version of
// its own frontend gets this one; whatever else it asks for is a program from the
// network that would run with the rights of the build, and is refused.
func frontends(workers worker.Infos) map[string]frontend.Frontend {
	builtIn := &localFirst{forwarder.NewGatewayForwarder(workers, dockerfile.Build)}
	return map[string]frontend.Frontend{"dockerfile.v0": builtIn, "gateway.v0": &refusing{builtIn}}
}

const (
	optSource      = "source"
	optResolveMode = "image-resolve-mode"
)

// localFirst takes base images that are here as they are, unless the build says that
// they are to be pulled.
type localFirst struct{ frontend.Frontend }

// Solve implements frontend.Frontend.
//
//nolint:revive // BuildKit's interface has so many arguments
func (f *localFirst) Solve(ctx context.Context, llb frontend.FrontendLLBBridge, exec executor.Executor, opt map[string]string,
	inputs map[string]*pb.Definition, sid string, sm *session.Manager,
) (*frontend.Result, error) {
	if opt[optResolveMode] == "" {
		opt = maps.Clone(opt)
		if opt == nil {
			opt = map[string]string{}
		}
		opt[optResolveMode] = pb.AttrImageResolveModePreferLocal
	}
	return f.Frontend.Solve(ctx, llb, exec, opt, inputs, sid, sm)
}

// refusing stands where BuildKit would run a frontend from an image.
type refusing struct{ builtIn frontend.Frontend }

// Solve implements frontend.Frontend.
//
//nolint:revive // BuildKit's interface has so many arguments
func (r *refusing) Solve(ctx context.Context, llb frontend.FrontendLLBBridge, exec executor.Executor, opt map[string]string,
	inputs map[string]*pb.Definition, sid string, sm *session.Manager,
) (*frontend.Result, error) {
	if !isDockerfileFrontend(opt[optSource]) {
		return nil, engine.Hint(
			engine.Problem(engine.ErrUnsupported, fmt.Errorf("syntax %q: frontends from images are not run", opt[optSource])),
			"remove the line, or write # syntax=docker/dockerfile:1: that frontend is built in")
	}
	// The name of the source, which the frontend has left in "cmdline", keeps it from asking for another one again.
	return r.builtIn.Solve(ctx, llb, exec, opt, inputs, sid, sm)
}

// isDockerfileFrontend says that the image of a frontend is the one that is built in,
// in some version.
func isDockerfileFrontend(source string) bool {
	named, err := reference.ParseNormalizedNamed(strings.TrimSpace(source))
	if err != nil {
		return false
	}
	switch named.Name() {
	case "docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream":
		return true
	default:
		return false
	}
}
