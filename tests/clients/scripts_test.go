package clients

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
	"tiffin/tests/harness"
	"tiffin/tests/programs"
)

// TestDocker runs the docker CLI. A script has to take away what it made.
func TestDocker(t *testing.T) {
	harness.RequireRoot(t)
	bin := t.TempDir()
	for name, target := range map[string]string{"docker": harness.Docker(t), "tiffin": harness.Binary(t)} {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	registry, writable := harness.Registry(t), harness.EmptyRegistry(t)
	// The scripts run in parallel and after this function: only a group's end is the end of all of them.
	t.Run("script", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata",
			UpdateScripts:       os.Getenv("UPDATE") == "1",
			RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				tb, ok := env.T().(testing.TB)
				if !ok {
					return errors.New("testscript no longer hands the test out")
				}
				e := engine(tb, registry, "busybox", "nginx")
				before := e.Snapshot(tb)
				env.Defer(func() {
					if !tb.Failed() { // or it is known why
						e.OK(tb, "engine", "stop") // which does not wait until what containers share is unused for a while
						e.NothingLeft(tb, before)
					}
				})
				env.Values["test"] = tb
				env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
				env.Setenv("HOME", env.WorkDir)
				env.Setenv("TIFFIN_DATA_ROOT", e.Data)
				env.Setenv("TIFFIN_RUN_ROOT", e.Run)
				env.Setenv("DOCKER_HOST", e.DockerHost())
				env.Setenv("REGISTRY", writable.Addr)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"code": code, "eventually": eventually, "terminal": terminal, "interrupted": interrupted, "registry": privateRegistry, "program": program,
			},
		})
	})
}

// code wants an exit code of a command.
func code(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	ended(ts, args[0], ts.Exec(args[1], args[2:]...))
}

// privateRegistry is one that wants a login: tester, with the password secret.
func privateRegistry(ts *testscript.TestScript, _ bool, args []string) {
	tb, ok := ts.Value("test").(testing.TB)
	if !ok || len(args) != 1 {
		ts.Fatalf("usage: registry VARIABLE")
	}
	ts.Setenv(args[0], harness.PrivateRegistry(tb).Addr)
}

// program brings other people's programs, and plugins of the docker CLI, to a script.
func program(ts *testscript.TestScript, _ bool, args []string) {
	tb, ok := ts.Value("test").(testing.TB)
	if !ok {
		ts.Fatalf("program: testscript no longer hands the test out")
	}
	for _, name := range args {
		dir := filepath.Join(ts.Getenv("HOME"), ".docker", "cli-plugins")
		target := ""
		switch name {
		case "docker-compose":
			target = programs.Path(tb, programs.Compose)
		case "tiffin": // as docker compose
			name, target = "docker-compose", harness.Binary(tb)
		case "docker-buildx":
			target = programs.Path(tb, programs.Buildx)
		case "act":
			dir, target = ts.MkAbs("bin"), programs.Path(tb, programs.Act)
		case "devcontainer":
			dir, target = ts.MkAbs("bin"), filepath.Join(programs.Install(tb, programs.Devcontainers), ".bin", name)
		default:
			ts.Fatalf("program: there is none called %s", name)
		}
		ts.Check(os.MkdirAll(dir, 0o755))
		ts.Check(os.Symlink(target, filepath.Join(dir, name)))
	}
	ts.Setenv("PATH", ts.MkAbs("bin")+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

// ended wants an exit code; - is any.
func ended(ts *testscript.TestScript, want string, err error) {
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if want != "-" && strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

// eventually repeats a command until it ends well and, with -says, its output matches.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("")
	if len(args) > 2 && args[0] == "-says" {
		want, args = regexp.MustCompile("(?m)"+args[1]), args[2:]
	}
	last := ""
	if !harness.Eventually(10*time.Second, func() bool {
		if ts.Exec(args[0], args[1:]...) != nil {
			return false
		}
		last = ts.ReadFile("stdout")
		return want.MatchString(last)
	}) {
		ts.Fatalf("not within ten seconds; at last:\n%s", last)
	}
}

// prepared is a command as the script would run it.
func prepared(ctx context.Context, ts *testscript.TestScript, args []string) *exec.Cmd {
	ts.Check(ts.Exec("env"))
	cmd := exec.CommandContext(ctx, "env", args...) // it finds the command by the script's PATH, and becomes it
	cmd.Env = strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	cmd.Dir = ts.MkAbs(".")
	return cmd
}

const patience = 30 * time.Second

// terminal runs a command on a terminal of 33 rows and 111 columns and types each text
// (a Go string, without its quotes) when what was printed since the last one matches. What
// is printed is stdout.
func terminal(ts *testscript.TestScript, _ bool, args []string) {
	const usage = "usage: terminal CODE [REGEXP TEXT]… -- COMMAND…"
	if len(args) < 3 {
		ts.Fatalf(usage)
	}
	want, args := args[0], args[1:]
	var when []*regexp.Regexp
	var texts []string
	for len(args) > 2 && args[0] != "--" {
		text, err := strconv.Unquote(`"` + args[1] + `"`)
		ts.Check(err)
		when, texts, args = append(when, regexp.MustCompile(args[0])), append(texts, text), args[2:]
	}
	if args[0] != "--" {
		ts.Fatalf(usage)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := prepared(ctx, ts, args[1:])
	user, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 111})
	ts.Check(err)
	defer func() { _ = user.Close() }()
	var said []byte
	from := 0
	for buf := make([]byte, 4096); ; {
		n, err := user.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil { // EIO: nobody has the other end any more
			break
		}
		if len(when) > 0 && when[0].Match(said[from:]) {
			from = len(said)
			_, err := user.WriteString(texts[0])
			ts.Check(err)
			when, texts = when[1:], texts[1:]
		}
	}
	err = cmd.Wait()
	text := strings.ReplaceAll(string(said), "\r\n", "\n")
	_, _ = ts.Stdout().Write([]byte(text))
	ts.Logf("[terminal]\n%s", text)
	if len(when) > 0 {
		ts.Fatalf("%q was not printed", when[0])
	}
	ended(ts, want, err)
}

var signals = map[string]os.Signal{"INT": unix.SIGINT, "KILL": unix.SIGKILL, "TERM": unix.SIGTERM, "USR1": unix.SIGUSR1}

// interrupted runs a command and sends it a signal when its output matches.
func interrupted(ts *testscript.TestScript, _ bool, args []string) {
	const least = 4
	if len(args) < least {
		ts.Fatalf("usage: interrupted CODE SIGNAL REGEXP COMMAND…")
	}
	signal, when := signals[args[1]], regexp.MustCompile(args[2])
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := prepared(ctx, ts, args[3:])
	out := &impatient{when: when, do: func() { _ = cmd.Process.Signal(signal) }}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	_, _ = ts.Stdout().Write(out.text)
	ts.Logf("[output]\n%s", out.text)
	if out.when != nil {
		ts.Fatalf("%q was not printed", out.when)
	}
	ended(ts, args[0], err)
}

// impatient does something once, when what it has been written matches. It is both streams,
// which os/exec then does not write at the same time.
type impatient struct {
	text []byte
	when *regexp.Regexp
	do   func()
}

func (i *impatient) Write(p []byte) (int, error) {
	i.text = append(i.text, p...)
	if i.when != nil && i.when.Match(i.text) {
		i.when = nil
		i.do()
	}
	return len(p), nil
}
