package client

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"tiffin/engine"
)

// arrived is an error as it comes over the connection, at a line of a Dockerfile.
func arrived(t *testing.T, text string, code codes.Code, dockerfile string, line int32) error {
	t.Helper()
	err := grpcerrors.WrapCode(errors.New(text), code)
	if dockerfile != "" {
		at := &pb.Position{Line: line}
		err = errdefs.WithSource(err, &errdefs.Source{
			Info:   &pb.SourceInfo{Filename: "app/Dockerfile", Data: []byte(dockerfile)},
			Ranges: []*pb.Range{{Start: at, End: at}},
		})
	}
	return fmt.Errorf("failed to solve: %w", grpcerrors.FromGRPC(grpcerrors.ToGRPC(t.Context(), err)))
}

func TestFailures(t *testing.T) {
	t.Parallel()
	const key = "failed to compute cache key: failed to calculate checksum of ref abc::def: "
	cases := map[string]struct {
		text       string
		code       codes.Code
		dockerfile string
		line       int32
		want, hint string
		kind       error
	}{
		"a step that failed": {
			text: `process "/bin/sh -c false" did not complete successfully: exit code: 1`, dockerfile: "FROM a\nRUN false", line: 2,
			want: `build web: process "/bin/sh -c false" did not complete successfully: exit code: 1`,
		},
		"the layers that an error came through are not told": {
			text: "failed to solve with frontend dockerfile.v0: rpc error: code = Unknown desc = failed to solve: why", code: codes.Internal,
			want: "build web: why",
		},
		"a file that is not in the context": {
			text: key + `"/nofile": not found`, code: codes.NotFound, dockerfile: "FROM a\nCOPY nofile /", line: 2,
			want: `build web: there is no "/nofile" in the build context`, kind: engine.ErrNotFound,
			hint: "paths begin at the context; .dockerignore may leave the file out",
		},
		"a file that is not in a stage": {
			text: key + `"/bin/app": not found`, code: codes.NotFound, dockerfile: "FROM a AS base\nCOPY --chown=1 --from=base /bin/app /", line: 2,
			want: `build web: there is no "/bin/app" in base`, kind: engine.ErrNotFound,
		},
		"a line that means nothing": {
			text: "dockerfile parse error on line 2: unknown instruction: RNU (did you mean RUN?)", dockerfile: "FROM a\nRNU x", line: 2,
			want: "build web: app/Dockerfile:2: unknown instruction: RNU (did you mean RUN?)", kind: engine.ErrInvalid,
		},
		"a base that does not exist": {
			text: "nosuch: failed to resolve source metadata for docker.io/library/nosuch:latest: docker.io/library/nosuch:latest: not found", code: codes.NotFound,
			want: "build web: image nosuch does not exist", kind: engine.ErrNotFound,
		},
		"a base for other machines": {
			text: "failed to resolve source metadata for docker.io/library/debian:stable: no match for platform in manifest: not found", code: codes.NotFound,
			want: "build web: image debian:stable has no variant for the platform that is built",
			hint: "build for one that it has, with build.platforms or DOCKER_DEFAULT_PLATFORM", kind: engine.ErrNotFound,
		},
		"a base that is not for everybody": {
			text: "failed to resolve source metadata for docker.io/team/app:1: pull access denied, repository does not exist or may require authorization",
			want: "build web: image team/app:1: pull access denied, repository does not exist or may require authorization",
			hint: "it does not exist, or `docker login` is needed", kind: engine.ErrDenied,
		},
		"a registry that is down": {
			text: `failed to resolve source metadata for 127.0.0.1:1/a:latest: failed to do request: Head "http://127.0.0.1:1/v2/a/manifests/latest": dial tcp 127.0.0.1:1: connect: connection refused`,
			want: `build web: image 127.0.0.1:1/a: its registry is not reachable: dial tcp 127.0.0.1:1: connect: connection refused`,
			kind: engine.ErrUnavailable,
		},
		"a secret that is not given": {
			text: "secret token: not found", code: codes.NotFound,
			want: "build web: the secret token is asked for, and not given", hint: "list it under build.secrets", kind: engine.ErrInvalid,
		},
		"a machine without git": {
			text: "failed to read dockerfile: failed to load cache key: unknown scheme git: not found", code: codes.NotFound,
			want: "build web: a repository is fetched with git, which the engine does not find", hint: "install git on this machine", kind: engine.ErrUnsupported,
		},
		"a machine without xz": {
			text: `exec: "xz": executable file not found in $PATH`, dockerfile: "FROM a\nADD a.tar.xz /", line: 2,
			want: "build web: an archive is unpacked with xz, which the engine does not find", kind: engine.ErrUnsupported,
			hint: "install xz-utils on this machine, or pack the archive with gzip or zstd",
		},
		"a step without xz in its image": {
			text: `process "xz a" did not complete successfully: exec: "xz": executable file not found in $PATH`, dockerfile: "FROM a\nRUN [\"xz\", \"a\"]", line: 2,
			want: `build web: process "xz a" did not complete successfully: exec: "xz": executable file not found in $PATH`,
		},
		"an agent without a name that is not given": {
			text: `no SSH key "" forwarded from the client`, want: "build web: the SSH agent default is asked for, and not given",
			hint: "build with --ssh default, or list it under build.ssh", kind: engine.ErrInvalid,
		},
		"a frontend from the network": {
			text: `syntax "x/y": frontends from images are not run`, want: `build web: syntax "x/y": frontends from images are not run`,
			hint: "remove the line, or write # syntax=docker/dockerfile:1, which is built in", kind: engine.ErrUnsupported,
		},
		"an agent that is not given": {
			text: "unset ssh forward key default", want: "build web: the SSH agent default is asked for, and not given",
			hint: "build with --ssh default, or list it under build.ssh", kind: engine.ErrInvalid,
		},
		"a step that may not": {
			text: "failed to load LLB: security.insecure is not allowed",
			want: "build web: a step needs the entitlement security.insecure, which the build was not granted",
			hint: "grant it with build.entitlements: [security.insecure]", kind: engine.ErrDenied,
		},
		"what no build may": {
			text: "granting entitlement security.insecure is not allowed by build daemon configuration",
			want: "build web: the engine grants no build the entitlement security.insecure", kind: engine.ErrDenied,
			hint: `its engine.json has to allow it: {"build": {"entitlements": ["security.insecure"]}}`,
		},
		"no such stage": {
			text: `target stage "dev" could not be found`, want: `build web: target stage "dev" could not be found`, kind: engine.ErrInvalid,
		},
		"a program of another machine": {
			text: `process "/bin/sh -c true" did not complete successfully: exec: "/bin/sh": exec format error`,
			want: `build web: process "/bin/sh -c true" did not complete successfully: exec: "/bin/sh": exec format error`,
			hint: "this machine runs no programs of the image's platform: give it QEMU by binfmt_misc (qemu-user-static), or build for its own",
			kind: engine.ErrUnsupported,
		},
		"a repository that is not reachable": {
			text: "failed to read dockerfile: failed to load cache key: failed to fetch remote https://git.example/x.git: git stderr:\n" +
				"fatal: unable to access 'https://git.example/x.git/': Failed to connect\n: exit status 128",
			want: "build web: git: fetch https://git.example/x.git: unable to access 'https://git.example/x.git/': Failed to connect", kind: engine.ErrUnavailable,
		},
		"a repository without that branch": {
			text: "failed to fetch remote https://git.example/x.git: git stderr:\nfatal: couldn't find remote ref nope\n: exit status 128",
			want: "build web: git: fetch https://git.example/x.git: couldn't find remote ref nope", kind: engine.ErrNotFound,
		},
		"a fetched context without a Dockerfile": {
			text: "failed to read dockerfile: open web.Dockerfile: no such file or directory",
			want: "build web: there is no web.Dockerfile in the build context", kind: engine.ErrNotFound,
		},
		"a context that no server has": {
			text: "failed to read downloaded context: failed to load cache key: invalid response status 404",
			want: "build web: fetch: the server answers with status 404", kind: engine.ErrNotFound,
		},
		"a push without a login": {
			text: "error writing layer blob: unexpected status from HEAD request to http://reg.example:5000/v2/a/blobs/sha256:1: 401 Unauthorized",
			want: "build web: registry reg.example:5000 denies it: 401 Unauthorized", hint: "log in with `docker login reg.example:5000`", kind: engine.ErrDenied,
		},
		"a base of a registry that wants a login": {
			text: "failed to resolve source metadata for reg.example/a:1: unexpected status from HEAD request to https://reg.example/v2/a/manifests/1: 401 Unauthorized",
			want: "build web: image reg.example/a:1: registry reg.example denies it: 401 Unauthorized",
			hint: "it does not exist, or `docker login` is needed", kind: engine.ErrDenied,
		},
		"an engine that died": {
			text: "error reading from server: EOF", code: codes.Unavailable,
			want: "build web: the engine ended while it built", hint: "build again: what was complete is used again", kind: engine.ErrUnavailable,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.code == codes.OK {
				c.code = codes.Unknown
			}
			err := (&failure{"web", arrived(t, c.text, c.code, c.dockerfile, c.line)}).explained()
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if got := engine.HintOf(err); got != c.hint {
				t.Errorf("hint: got %q, want %q", got, c.hint)
			}
			for _, kind := range engine.Kinds() {
				if errors.Is(err, kind) != (kind == c.kind) { //nolint:errorlint // the kind itself
					t.Errorf("of the kind %q: %t", kind, errors.Is(err, kind))
				}
			}
		})
	}
}

func TestNoErrorShowsItsWay(t *testing.T) {
	t.Parallel()
	err := errors.New("failed to solve: rpc error: code = NotFound desc = a: rpc error: code = Unknown desc = b")
	if got := plain(err); got != "a: b" {
		t.Errorf("got %q", got)
	}
	if got := plain(arrived(t, "why", codes.ResourceExhausted, "", 0)); strings.Contains(got, "ResourceExhausted") {
		t.Errorf("got %q", got)
	}
}
