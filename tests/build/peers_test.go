package build

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"

	"tiffin/tests/harness"
)

// cmdServe is `serve DIR`: a web server of a folder on loopback, at $SERVER, until the script ends. Repositories of git
// that lie in it are served by git's own program.
func cmdServe(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: serve DIR")
	}
	s := httptest.NewServer(folderOrGit(ts.MkAbs(args[0])))
	ts.Defer(s.Close)
	ts.Setenv("SERVER", s.URL)
}

func folderOrGit(dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	git, err := exec.LookPath("git")
	if err != nil {
		return files
	}
	repositories := &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, ".git/") {
			repositories.ServeHTTP(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})
}

// git runs git as a known person at a known time.
func git(tb testing.TB, dir string, args ...string) string {
	tb.Helper()
	harness.RequireTool(tb, "git")
	cmd := exec.CommandContext(tb.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_AUTHOR_DATE=2025-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org", "GIT_COMMITTER_DATE=2025-01-01T00:00:00Z",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// cmdRepository is `repository DIR BARE`: what a folder has becomes the first commit of a bare repository, $COMMIT.
func cmdRepository(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: repository DIR BARE")
	}
	tb, dir, bare := testOf(ts), ts.MkAbs(args[0]), ts.MkAbs(args[1])
	git(tb, dir, "init", "-q", "-b", "main")
	git(tb, dir, "add", "-A")
	git(tb, dir, "commit", "-q", "-m", "first")
	git(tb, dir, "tag", "v1")
	ts.Setenv("COMMIT", git(tb, dir, "rev-parse", "HEAD"))
	git(tb, dir, "clone", "-q", "--bare", dir, bare)
}

// cmdAgent is `agent`: an ssh-agent with one key, at $AGENT, until the script ends.
func cmdAgent(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 0 {
		ts.Fatalf("usage: agent")
	}
	tb := testOf(ts)
	harness.RequireTool(tb, "ssh-agent", "ssh-add", "ssh-keygen")
	dir, err := os.MkdirTemp("/tmp", "tfa") // the path of a socket has to be short
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	socket, key := filepath.Join(dir, "agent"), filepath.Join(dir, "key")
	agent := exec.CommandContext(tb.Context(), "ssh-agent", "-D", "-a", socket)
	ts.Check(agent.Start())
	ts.Defer(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait() // it was killed
	})
	harness.Until(tb, 10*time.Second, "the agent has its socket", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	for _, args := range [][]string{{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}, {"ssh-add", "-q", key}} {
		cmd := exec.CommandContext(tb.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		if out, err := cmd.CombinedOutput(); err != nil {
			ts.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	ts.Setenv("AGENT", socket)
}

// cmdNeeds is `needs PROGRAM…`: a script that lacks one is skipped, in CI it fails.
func cmdNeeds(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: needs PROGRAM…")
	}
	harness.RequireTool(testOf(ts), args...)
}

// cmdDigest is `digest VARIABLE FILE`.
func cmdDigest(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: digest VARIABLE FILE")
	}
	ts.Setenv(args[0], digest.FromString(ts.ReadFile(args[1])).String())
}

// cmdTouch is `touch TIME FILE…`.
func cmdTouch(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: touch TIME FILE…")
	}
	at, err := time.Parse(time.RFC3339, args[0])
	ts.Check(err)
	for _, name := range args[1:] {
		ts.Check(os.Chtimes(ts.MkAbs(name), at, at))
	}
}

// cmdWrite is `write FILE TEXT`: for what a script's own file cannot be.
func cmdWrite(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: write FILE TEXT")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), fmt.Appendln(nil, args[1]), 0o644))
}
