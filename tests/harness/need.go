package harness

import (
	"os"
	"os/exec"
	"testing"
)

// RequireRoot skips the test when it does not run as root; with REQUIRE_ROOT=1 that is a failure.
func RequireRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		lacks(tb, "root")
	}
}

// RequireTool skips the test when a program is not installed; with REQUIRE_ROOT=1 that is a failure.
func RequireTool(tb testing.TB, names ...string) {
	tb.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			lacks(tb, name+" (make setup installs it)")
		}
	}
}

// RequireFile skips the test when a file of a package is not there; with REQUIRE_ROOT=1 that is a failure.
func RequireFile(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Stat(path); err != nil {
		lacks(tb, path+" (make setup installs it)")
	}
}

func lacks(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatal("this test needs " + what)
	}
	tb.Skip("this test needs " + what)
}
