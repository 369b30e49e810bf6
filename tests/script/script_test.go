package script

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tiffin/tests/harness"
	"tiffin/tests/images"
)

func TestScripts(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"tiffin", "docker-compose"} { // it answers to both
		if err := os.Symlink(harness.Binary(t), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	var registry *images.Registry
	if os.Geteuid() == 0 {
		registry = harness.Registry(t)
	} else if os.Getenv("REQUIRE_ROOT") == "1" {
		t.Fatal("most scripts need root")
	}
	// The scripts run in parallel and after this function: only a group's end is the end of all of them.
	t.Run("script", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata",
			UpdateScripts:       os.Getenv("UPDATE") == "1",
			RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
				if registry == nil {
					return nil
				}
				tb, ok := env.T().(testing.TB)
				if !ok {
					return errors.New("testscript no longer hands the test out")
				}
				env.Values["test"] = tb
				e := harness.New(tb)
				e.Mirror(tb, registry)
				env.Setenv("TIFFIN_DATA_ROOT", e.Data)
				env.Setenv("TIFFIN_RUN_ROOT", e.Run)
				env.Setenv("REGISTRY", registry.Addr)
				return nil
			},
			Condition: func(name string) (bool, error) {
				switch name {
				case "root":
					return os.Geteuid() == 0, nil
				case "docker": // the command line, with which scripts speak to our engine
					_, err := exec.LookPath(name)
					if err != nil && os.Getenv("REQUIRE_ROOT") == "1" {
						return false, err
					}
					return err == nil, nil
				default:
					return false, errors.New("unknown condition")
				}
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"code": code, "eventually": eventually, "interrupted": interrupted, "answered": answered, "keyed": keyed, "listen": listen, "port": port, "registry": emptyRegistry,
				"needs": needs,
			},
		})
	})
}

// code wants an exit code of a command.
func code(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// eventually repeats a command until it ends well.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	if !harness.Eventually(10*time.Second, func() bool { return ts.Exec(args[0], args[1:]...) == nil }) {
		ts.Fatalf("not within ten seconds")
	}
}

// needs is `needs PROGRAM…`: a script that lacks one is skipped; in CI it fails.
func needs(ts *testscript.TestScript, _ bool, args []string) {
	tb, ok := ts.Value("test").(testing.TB)
	if !ok || len(args) == 0 {
		ts.Fatalf("usage: needs PROGRAM…, as root")
	}
	harness.RequireTool(tb, args...)
}

func port(ts *testscript.TestScript, _ bool, args []string) {
	_ = take(ts, args[0]).Close()
}

func listen(ts *testscript.TestScript, _ bool, args []string) {
	l := take(ts, args[0])
	ts.Defer(func() { _ = l.Close() })
}

// emptyRegistry starts a registry that takes images, and sets a variable to its address.
func emptyRegistry(ts *testscript.TestScript, _ bool, args []string) {
	tb, ok := ts.Value("test").(testing.TB)
	if !ok || len(args) != 1 {
		ts.Fatalf("usage: registry VARIABLE, as root")
	}
	ts.Setenv(args[0], harness.EmptyRegistry(tb).Addr)
}

func take(ts *testscript.TestScript, variable string) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(variable, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	return l
}
