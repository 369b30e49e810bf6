package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"tiffin/engine"
)

// failure is why one build failed.
type failure struct {
	target string
	err    error // BuildKit's
}

func (f *failure) Error() string { return fmt.Sprintf("build %s: %s", f.target, plain(f.err)) }
func (f *failure) Unwrap() error { return f.err }

// explained is the failure in words and of a kind of ours. The text of the Dockerfile around it was printed.
func (f *failure) explained() error {
	d := describe(plain(f.err), locationOf(f.err))
	err := fmt.Errorf("build %s: %s", f.target, d.text)
	if d.kind != nil {
		err = engine.Problem(d.kind, err)
	}
	if d.hint != "" {
		err = engine.Hint(err, d.hint)
	}
	return err
}

// location is where in a Dockerfile a build failed.
type location struct {
	file string
	line int
	text string // of that line
}

func locationOf(err error) location {
	for _, s := range errdefs.Sources(err) {
		if s.Info == nil || len(s.Ranges) == 0 {
			continue
		}
		at := location{file: s.Info.Filename, line: int(s.Ranges[0].Start.Line)}
		if lines := strings.Split(string(s.Info.Data), "\n"); at.line >= 1 && at.line <= len(lines) {
			at.text = strings.TrimSpace(lines[at.line-1])
		}
		return at
	}
	return location{}
}

// plain is the text of an error without the names of the layers that it came through.
func plain(err error) string {
	text := err.Error()
	for {
		start := strings.Index(text, "rpc error: code = ")
		if start < 0 {
			break
		}
		_, after, ok := strings.Cut(text[start:], " desc = ")
		if !ok {
			break
		}
		text = text[:start] + after
	}
	for {
		before := text
		for _, noise := range []string{
			"failed to solve: ", "failed to solve with frontend dockerfile.v0: ", "failed to create LLB definition: ",
			"failed to run Build function: ", "failed to build: ", "failed to load cache key: ",
		} {
			text = strings.TrimPrefix(text, noise)
		}
		for code := codes.OK; code <= codes.Unauthenticated; code++ {
			text = strings.TrimPrefix(text, code.String()+": ")
		}
		if text == before {
			return text
		}
	}
}

// description is what a user is told.
type description struct {
	text string
	kind error
	hint string
}

// describe finds the words for what BuildKit says.
func describe(text string, at location) description {
	for _, rule := range []func(string, location) (description, bool){
		parseError, missingFile, missingImage, missingSecret, missingKey, notEntitled, missingStage, foreignFrontend, foreignPlatform, missingProgram, fetching, denied, engineGone,
	} {
		if d, ok := rule(text, at); ok {
			return d
		}
	}
	return description{text: text, kind: kindOf(text)}
}

// kindOf is for errors of which only the kind is known.
func kindOf(text string) error {
	switch {
	case containsAny(text, "pull access denied", "insufficient_scope", "401 Unauthorized", "403 Forbidden", "authorization failed"):
		return engine.ErrDenied
	case containsAny(text, "connection refused", "no such host", "i/o timeout", "network is unreachable", "no route to host", "connection reset"):
		return engine.ErrUnavailable
	case strings.HasSuffix(text, "not found"):
		return engine.ErrNotFound
	default:
		return nil
	}
}

func containsAny(text string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// parseError is what the Dockerfile's grammar refuses.
func parseError(text string, at location) (description, bool) {
	rest, ok := strings.CutPrefix(text, "dockerfile parse error on line ")
	number, why, found := strings.Cut(rest, ": ")
	line, err := strconv.Atoi(number)
	if !ok || !found || err != nil {
		if at.file != "" && containsAny(text, "dockerfile parse error", "file with no instructions", "no build stage in current context") {
			return description{text: fmt.Sprintf("%s:%d: %s", at.file, at.line, text), kind: engine.ErrInvalid}, true
		}
		return description{}, false
	}
	file := at.file
	if file == "" {
		file = defaultDockerfile
	}
	return description{text: fmt.Sprintf("%s:%d: %s", file, line, why), kind: engine.ErrInvalid}, true
}

// missingFile is a COPY or ADD of what is not there.
func missingFile(text string, at location) (description, bool) {
	if !containsAny(text, "failed to compute cache key", "failed to calculate checksum") || !strings.HasSuffix(text, ": not found") {
		return description{}, false
	}
	path := strings.TrimSuffix(text, ": not found")
	i := strings.LastIndex(path, `: "`)
	if i < 0 {
		return description{}, false
	}
	path = path[i+2:]
	if from := flag(at.text, "--from="); from != "" {
		return description{text: fmt.Sprintf("there is no %s in %s", path, from), kind: engine.ErrNotFound}, true
	}
	return description{
		text: fmt.Sprintf("there is no %s in the build context", path), kind: engine.ErrNotFound,
		hint: "paths begin at the context; .dockerignore may leave the file out",
	}, true
}

// flag is the value of a flag in a Dockerfile's line.
func flag(line, name string) string {
	for word := range strings.FieldsSeq(line) {
		if value, ok := strings.CutPrefix(word, name); ok {
			return value
		}
	}
	return ""
}

// missingImage is a base that cannot be had.
func missingImage(text string, _ location) (description, bool) {
	_, rest, ok := strings.Cut(text, "failed to resolve source metadata for ")
	if !ok {
		return description{}, false
	}
	ref, why, ok := strings.Cut(rest, ": ")
	if !ok {
		return description{}, false
	}
	why = strings.TrimPrefix(why, ref+": ")
	d := description{text: fmt.Sprintf("image %s: %s", familiar(ref), why), kind: kindOf(why)}
	switch {
	case errors.Is(d.kind, engine.ErrUnavailable):
		if i := strings.Index(why, "dial tcp"); i >= 0 {
			why = why[i:] // which address of the registry was asked is no help
		}
		d.text = fmt.Sprintf("image %s: its registry is not reachable: %s", familiar(ref), why)
	case errors.Is(d.kind, engine.ErrDenied):
		if other, ok := denied(why, location{}); ok {
			d.text = fmt.Sprintf("image %s: %s", familiar(ref), other.text)
		}
		d.hint = "it does not exist, or `docker login` is needed"
	case errors.Is(d.kind, engine.ErrNotFound) && why == "not found":
		d.text = fmt.Sprintf("image %s does not exist", familiar(ref))
	case strings.HasPrefix(why, "no match for platform in manifest"):
		d.text = fmt.Sprintf("image %s has no variant for the platform that is built", familiar(ref))
		d.hint = "build for one that it has, with build.platforms or DOCKER_DEFAULT_PLATFORM"
	}
	return d, true
}

// missingSecret is one that the Dockerfile asks for and nobody gives.
func missingSecret(text string, _ location) (description, bool) {
	i := strings.LastIndex(text, "secret ")
	if i < 0 || !strings.HasSuffix(text, ": not found") {
		return description{}, false
	}
	id := strings.TrimSuffix(text[i+len("secret "):], ": not found")
	return description{
		text: fmt.Sprintf("the secret %s is asked for, and not given", id), kind: engine.ErrInvalid,
		hint: "list it under build.secrets",
	}, true
}

// missingKey is an agent that the Dockerfile asks for and nobody forwards.
func missingKey(text string, _ location) (description, bool) {
	_, id, ok := strings.Cut(text, "unset ssh forward key ")
	if !ok {
		_, id, ok = strings.Cut(text, "no SSH key ")
		id = strings.Trim(strings.TrimSuffix(id, " forwarded from the client"), `"`)
		id = cmp.Or(id, sshforward.DefaultID)
	}
	if !ok {
		return description{}, false
	}
	return description{
		text: fmt.Sprintf("the SSH agent %s is asked for, and not given", id), kind: engine.ErrInvalid,
		hint: "build with --ssh " + id + ", or list it under build.ssh",
	}, true
}

// notEntitled is a step that may do more than the build was granted.
func notEntitled(text string, _ location) (description, bool) {
	for _, e := range []string{"security.insecure", "network.host"} {
		switch {
		case strings.Contains(text, "granting entitlement "+e+" is not allowed"):
			return description{
				text: "the engine grants no build the entitlement " + e, kind: engine.ErrDenied,
				hint: `its engine.json has to allow it: {"build": {"entitlements": ["` + e + `"]}}`,
			}, true
		case strings.Contains(text, e+" is not allowed"):
			return description{
				text: "a step needs the entitlement " + e + ", which the build was not granted", kind: engine.ErrDenied,
				hint: "grant it with build.entitlements: [" + e + "]",
			}, true
		}
	}
	return description{}, false
}

func missingStage(text string, _ location) (description, bool) {
	if !strings.HasPrefix(text, "target stage ") {
		return description{}, false
	}
	return description{text: text, kind: engine.ErrInvalid}, true
}

// foreignFrontend is a syntax that would be a program from the network.
func foreignFrontend(text string, _ location) (description, bool) {
	if !strings.HasSuffix(text, "frontends from images are not run") {
		return description{}, false
	}
	return description{
		text: text, kind: engine.ErrUnsupported,
		hint: "remove the line, or write # syntax=docker/dockerfile:1, which is built in",
	}, true
}

// foreignPlatform is a step for another machine than this one.
func foreignPlatform(text string, _ location) (description, bool) {
	if !strings.HasSuffix(text, "exec format error") {
		return description{}, false
	}
	return description{
		text: text, kind: engine.ErrUnsupported,
		hint: "this machine runs no programs of the image's platform: give it QEMU by binfmt_misc (qemu-user-static), or build for its own",
	}, true
}

// missingProgram is one of the machine's own that BuildKit starts.
func missingProgram(text string, _ location) (description, bool) {
	switch {
	case strings.HasSuffix(text, "unknown scheme git: not found"):
		return description{
			text: "a repository is fetched with git, which the engine does not find", kind: engine.ErrUnsupported, hint: "install git on this machine",
		}, true
	case strings.HasPrefix(text, `exec: "xz": executable file not found`):
		return description{
			text: "an archive is unpacked with xz, which the engine does not find", kind: engine.ErrUnsupported,
			hint: "install xz-utils on this machine, or pack the archive with gzip or zstd",
		}, true
	default:
		return description{}, false
	}
}

// fetching is a context that the engine cannot get: git's own words are in the middle.
func fetching(text string, _ location) (description, bool) {
	const noFile = "failed to read dockerfile: open "
	if rest, ok := strings.CutPrefix(text, noFile); ok && strings.HasSuffix(rest, "no such file or directory") {
		name, _, _ := strings.Cut(rest, ": ")
		return description{text: fmt.Sprintf("there is no %s in the build context", name), kind: engine.ErrNotFound}, true
	}
	if _, status, ok := strings.Cut(text, "invalid response status "); ok {
		d := description{text: "fetch: the server answers with status " + status}
		if status == "404" {
			d.kind = engine.ErrNotFound
		}
		return d, true
	}
	_, rest, ok := strings.Cut(text, "failed to fetch remote ")
	url, said, found := strings.Cut(rest, ": git stderr:\n")
	if !ok || !found {
		return description{}, false
	}
	why, _, _ := strings.Cut(said, "\n: exit status")
	if _, fatal, ok := strings.Cut(why, "fatal: "); ok {
		why = fatal
	}
	kind := engine.ErrUnavailable
	if containsAny(why, "not found", "couldn't find remote ref") {
		kind = engine.ErrNotFound
	}
	return description{text: fmt.Sprintf("git: fetch %s: %s", url, strings.ReplaceAll(strings.TrimSpace(why), "\n", "; ")), kind: kind}, true
}

// denied is what a registry refuses.
func denied(text string, _ location) (description, bool) {
	_, rest, ok := strings.Cut(text, "unexpected status from ")
	_, address, found := strings.Cut(rest, "://")
	host, _, _ := strings.Cut(address, "/")
	status := text[strings.LastIndex(text, ": ")+1:]
	if !ok || !found || !containsAny(status, "401", "403") {
		return description{}, false
	}
	return description{
		text: fmt.Sprintf("registry %s denies it:%s", host, status), kind: engine.ErrDenied,
		hint: "log in with `docker login " + host + "`",
	}, true
}

// engineGone is a build whose engine ended before it.
func engineGone(text string, _ location) (description, bool) {
	if !containsAny(text, "error reading from server", "transport is closing", "connection error: desc", "the client connection is closing", errGone.Error()) {
		return description{}, false
	}
	return description{
		text: "the engine ended while it built", kind: engine.ErrUnavailable,
		hint: "build again: what was complete is used again",
	}, true
}

// interrupted says whether a build ended because it was told to.
func interrupted(err error) bool {
	return errors.Is(err, context.Canceled) || grpcerrors.Code(err) == codes.Canceled
}
