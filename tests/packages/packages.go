// Package packages unpacks Debian's packages beside the machine, for tests.
//
// Installing a firewall changes the machine's own, and starts it. Unpacked into a folder of
// the cache it does neither: a test lays the folder over /usr and /etc in a mount namespace
// of its own. The packages come from the machine's configured sources.
package packages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tiffin/tests/images"
)

// Firewalls are those that people have on their hosts, for Unpack.
var Firewalls = []string{"iptables", "ufw", "firewalld", "docker.io"}

// Unpacked gives the folder in which these packages are unpacked, with those of their dependencies that the machine
// does not have. They are fetched when they are not there. Without root, or without Debian, the test is skipped; with
// REQUIRE_ROOT=1 it fails.
func Unpacked(tb testing.TB, names ...string) string {
	tb.Helper()
	// The test's own thread may be in a network namespace from which nothing is reached.
	var dir string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		dir, err = Unpack(tb.Context(), names...)
	}()
	<-done
	if err == nil {
		return dir
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatalf("unpack %s: %v", strings.Join(names, ", "), err)
	}
	tb.Skipf("unpack %s: %v", strings.Join(names, ", "), err)
	return ""
}

// Unpack is Unpacked for who has no test.
func Unpack(ctx context.Context, names ...string) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("needs root")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", err
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(release, strings.Join(names, " ")...))
	dir := filepath.Join(images.Folder(), "packages-"+hex.EncodeToString(sum[:8]))
	unlock, err := lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(images.Folder(), "packages-*.new")
	if err != nil {
		return "", err
	}
	if err := fetch(ctx, work, names); err != nil {
		return "", errors.Join(err, os.RemoveAll(work))
	}
	return dir, errors.Join(os.Rename(filepath.Join(work, "root"), dir), os.RemoveAll(work))
}

func lock() (unlock func(), err error) {
	if err := os.MkdirAll(images.Folder(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(images.Folder(), "packages.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// fetch unpacks the packages into work/root.
func fetch(ctx context.Context, work string, names []string) error {
	list, err := missing(ctx, work, names)
	if err != nil { // the lists of packages may be old, or not there yet
		if _, err := run(ctx, work, "apt-get", "update", "-qq"); err != nil {
			return err
		}
		if list, err = missing(ctx, work, names); err != nil {
			return err
		}
	}
	if _, err := run(ctx, work, "apt-get", append([]string{"download", "-qq"}, list...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := run(ctx, work, "dpkg", "-x", file, filepath.Join(work, "root")); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// missing are these packages, and what they need beyond what the machine has.
func missing(ctx context.Context, work string, names []string) ([]string, error) {
	out, err := run(ctx, work, "apt-get", append([]string{"install", "-s", "-qq", "--no-install-recommends"}, names...)...)
	if err != nil {
		return nil, err
	}
	list := slices.Clone(names)
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Inst" && !slices.Contains(list, f[1]) {
			list = append(list, f[1])
		}
	}
	return list, nil
}

func run(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, stderr.String())
	}
	return string(out), nil
}
