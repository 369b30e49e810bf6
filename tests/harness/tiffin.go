package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Tiffin is a tiffin of one test's own. Its engine is started by the first command that needs it.
type Tiffin struct {
	Data string // TIFFIN_DATA_ROOT
	Run  string // TIFFIN_RUN_ROOT
	Dir  string // where commands run; the test may put a compose.yaml here
	Env  map[string]string

	binary string
	keep   bool
}

// commandTimeout is for a command that hangs; none takes nearly as long.
const commandTimeout = 2 * time.Minute

// New makes roots that end with the test: all projects are taken down, the engine is stopped, what is left running is
// killed and reported, and the files are removed. With TIFFIN_KEEP=1 all of it stays when the test has failed.
func New(tb testing.TB) *Tiffin {
	tb.Helper()
	RequireRoot(tb)
	// Below /tmp, and short: the path of a unix socket has at most 107 bytes. The data is on disk, as in life.
	run, err := os.MkdirTemp("/tmp", "tfn") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.MkdirTemp("/var/tmp", "tfn") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	e := &Tiffin{
		Data: data, Run: run, Dir: tb.TempDir(), binary: Binary(tb), Env: map[string]string{},
		keep: os.Getenv("TIFFIN_KEEP") == "1",
	}
	tb.Cleanup(func() { e.end(tb) })
	return e
}

// Configure writes the engine's configuration. The engine reads it when it starts.
func (e *Tiffin) Configure(tb testing.TB, settings map[string]any) {
	tb.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.Data, "engine.json"), text, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// Write puts a file into Dir; folders on the way are made.
func (e *Tiffin) Write(tb testing.TB, name, content string) {
	tb.Helper()
	path := filepath.Join(e.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// Result is what a command has said and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int // exit code; -1 when a signal ended it
	Took           time.Duration
}

// Command prepares a command; the caller sets what it wants and starts it.
func (e *Tiffin) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, e.binary, args...)
	cmd.Dir = e.Dir
	cmd.Env = e.environ()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // with the stacks of all goroutines
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// environ is a small, known environment: nothing of the caller's may change what a test sees.
func (e *Tiffin) environ() []string {
	env := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": e.Dir, "TERM": "dumb", "LC_ALL": "C",
		"TIFFIN_DATA_ROOT": e.Data, "TIFFIN_RUN_ROOT": e.Run,
	}
	maps.Copy(env, e.Env)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// Do runs a command to its end, whatever that is.
func (e *Tiffin) Do(tb testing.TB, args ...string) Result {
	tb.Helper()
	return e.Input(tb, "", args...)
}

// Input is Do with text on standard input.
func (e *Tiffin) Input(tb testing.TB, stdin string, args ...string) Result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), commandTimeout)
	defer cancel()
	cmd := e.Command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	r := Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		tb.Fatalf("tiffin %s: still running after %s\n%s", strings.Join(args, " "), commandTimeout, r.Stderr)
	case err != nil && !errors.As(err, &exit):
		tb.Fatalf("tiffin %s: %v", strings.Join(args, " "), err)
	}
	return r
}

// OK runs a command that has to end well, and gives what it printed.
func (e *Tiffin) OK(tb testing.TB, args ...string) string {
	tb.Helper()
	r := e.Do(tb, args...)
	if r.Code != 0 {
		tb.Fatalf("tiffin %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Fails runs a command that has to end with an exit code, and gives what it complained.
func (e *Tiffin) Fails(tb testing.TB, code int, args ...string) string {
	tb.Helper()
	r := e.Do(tb, args...)
	if r.Code != code {
		tb.Fatalf("tiffin %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	return r.Stderr
}

// end takes down what is up, stops the engine and removes the roots. What then is still there is a fault: it is named
// and removed. After a failure it is only removed: there it has a reason.
func (e *Tiffin) end(tb testing.TB) {
	tb.Helper()
	complain := tb.Errorf
	if tb.Failed() {
		complain = tb.Logf
		e.tell(tb)
		if e.keep {
			tb.Logf("kept: TIFFIN_DATA_ROOT=%s TIFFIN_RUN_ROOT=%s", e.Data, e.Run)
			return
		}
	}
	if _, err := os.Stat(e.socket()); err == nil {
		e.Dir = e.Data // no Compose file here: the names alone will do
		for project := range strings.FieldsSeq(e.Do(tb, "ls", "-a", "-q").Stdout) {
			e.tidy(tb, complain, "-p", project, "down", "-v", "-t", "0", "--remove-orphans")
		}
		e.tidy(tb, complain, "engine", "stop")
	}
	for _, p := range e.settled() {
		complain("left running: %s", p)
		_ = syscall.Kill(p.Pid, syscall.SIGKILL)
	}
	for _, m := range mountsBelow(e.Data, e.Run) {
		complain("left mounted: %s", m)
		_ = syscall.Unmount(m, syscall.MNT_DETACH)
	}
	for _, r := range e.remains() {
		complain("left behind: %s", r.what)
		if err := r.remove(); err != nil {
			complain("remove %s: %v", r.what, err)
		}
	}
	for _, dir := range []string{e.Run, e.Data} {
		if err := os.RemoveAll(dir); err != nil {
			complain("remove the roots: %v", err)
		}
	}
}

func (e *Tiffin) tidy(tb testing.TB, complain func(string, ...any), args ...string) {
	tb.Helper()
	if r := e.Do(tb, args...); r.Code != 0 {
		complain("tiffin %s: exit code %d\n%s", strings.Join(args, " "), r.Code, r.Stderr)
	}
}

// tell adds what helps to understand a failure to the output of the test.
func (e *Tiffin) tell(tb testing.TB) {
	tb.Helper()
	const most = 16 << 10
	log, _ := os.ReadFile(filepath.Join(e.Run, "engine.log"))
	if len(log) > most {
		log = log[len(log)-most:]
	}
	if len(log) > 0 {
		tb.Logf("the engine's log ends:\n%s", log)
	}
}

func (e *Tiffin) socket() string { return filepath.Join(e.Run, "tiffin.sock") }

// settled are the processes of these roots that do not end within a moment.
func (e *Tiffin) settled() []Process {
	var left []Process
	Eventually(settle, func() bool {
		left = e.Processes()
		return len(left) == 0
	})
	return left
}
