package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tiffin/engine"
)

// repository is where a Compose file is in a git repository: URL#REF:PATH.
type repository struct{ url, ref, path string }

// isCommit says whether text is the whole name of a commit.
func isCommit(text string) bool {
	return len(text) == 40 && strings.Trim(text, "0123456789abcdef") == ""
}

func parseGit(address string) (repository, error) {
	var r repository
	url, fragment, _ := strings.Cut(address, "#")
	r.url = url
	r.ref, r.path, _ = strings.Cut(fragment, ":")
	if strings.HasPrefix(url, "github.com/") {
		r.url = "https://" + url
	} else if strings.HasPrefix(url, "http") && !strings.HasSuffix(url, ".git") {
		return r, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("%s is no git repository", address)), "the address of one ends in .git")
	}
	if strings.HasPrefix(r.ref, "-") || strings.ContainsAny(r.ref, "\x00 ") {
		return r, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: %q names no commit", address, r.ref))
	}
	if r.path != "" && !filepath.IsLocal(r.path) {
		return r, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: the path leads out of the repository", address))
	}
	if r.ref == "" {
		r.ref = "HEAD"
	}
	return r, nil
}

func (f *Fetcher) repository(ctx context.Context, cache string, r repository) (string, error) {
	id := r.ref
	if !isCommit(id) {
		list, err := f.git(ctx, cache, "ls-remote", "--", r.url, r.ref, r.ref+"^{}")
		if err != nil {
			return "", err
		}
		if id = named(list, r.ref); id == "" {
			return "", engine.Problem(engine.ErrNotFound, fmt.Errorf("repository %s has no %s", r.url, r.ref))
		}
	}
	dir, err := f.copied(cache, id, r.url+"#"+r.ref, func(dir string) error {
		for _, args := range [][]string{
			{"init", "-q", "--template="},
			{"fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", r.url, id},
			{"checkout", "-q", "--detach", id},
		} {
			if _, err := f.git(ctx, dir, args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return composeFile(dir, r.path)
}

// named finds the commit of a name among what ls-remote lists, which is everything that ends like it: git's own order
// of places counts, and of a tag what it is put on.
func named(list, ref string) string {
	ids := map[string]string{}
	for line := range strings.Lines(list) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if isCommit(id) {
			ids[name] = id
		}
	}
	for _, name := range []string{ref, "refs/" + ref, "refs/tags/" + ref, "refs/heads/" + ref} {
		for _, n := range []string{name + "^{}", name} {
			if ids[n] != "" {
				return ids[n]
			}
		}
	}
	return ""
}

// git runs the host's git for the caller: with the caller's logins, but without questions, without the system's
// configuration, and without what a repository could make it run.
func (f *Fetcher) git(ctx context.Context, dir string, args ...string) (string, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return "", engine.Hint(engine.Problem(engine.ErrNotFound, errors.New("there is no git")), "install git, or fetch the Compose file yourself")
	}
	safe := []string{
		"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never", "-c", "protocol.file.allow=user",
		"-c", "submodule.recurse=false", "-c", "transfer.fsckObjects=true", "-c", "advice.detachedHead=false",
	}
	cmd := exec.CommandContext(ctx, program, append(safe, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_SSH_COMMAND=ssh -o ControlMaster=no -o BatchMode=yes",
	}
	for _, name := range []string{
		"PATH", "HOME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy",
		"no_proxy", "all_proxy",
	} {
		if v := f.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", engine.Problem(engine.ErrUnavailable, fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(said.String())))
	}
	return out.String(), nil
}
