package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/tests/packages"
)

// administrator is who has other firewalls on the host: a thread in the host's network
// namespace, and in a mount namespace in which Debian's packages are installed.
type administrator struct {
	tb    testing.TB
	dir   string // seen by everybody
	mnt   string // its mount namespace
	calls chan func()
}

func (h *testHost) administrator(variant string) *administrator {
	h.tb.Helper()
	tools := packages.Unpacked(h.tb, packages.Firewalls...)
	a := &administrator{tb: h.tb, dir: h.tb.TempDir(), calls: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread's namespaces go with it
		ready <- errors.Join(unix.Setns(int(h.host.Fd()), unix.CLONE_NEWNET), a.install(tools, variant))
		for call := range a.calls {
			call()
		}
	}()
	if err := <-ready; err != nil {
		h.tb.Fatal(err)
	}
	h.tb.Cleanup(func() { close(a.calls) })
	return a
}

// install lays the packages over the system's folders, as they would be installed. The
// variant is that of iptables: nft or legacy.
func (a *administrator) install(tools, variant string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	a.mnt = fmt.Sprintf("/proc/%d/task/%d/ns/mnt", os.Getpid(), unix.Gettid())
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, m := range []string{"/run", "/mnt"} {
		if err := unix.Mount("tmpfs", m, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount a tmpfs: %w", err)
		}
	}
	for _, dir := range []string{"/usr", "/etc", "/var/lib"} {
		upper, work := "/mnt/upper"+dir, "/mnt/work"+dir
		lower := filepath.Join(tools, dir)
		if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755), os.MkdirAll(lower, 0o755)); err != nil {
			return err
		}
		options := "lowerdir=" + lower + ":" + dir + ",upperdir=" + upper + ",workdir=" + work
		if err := unix.Mount("overlay", dir, "overlay", 0, options); err != nil {
			return fmt.Errorf("mount an overlay on %s: %w", dir, err)
		}
	}
	return a.script(`
		# Some packages are older than the merge of /lib and /usr/lib.
		for d in lib sbin bin; do ! [ -d ` + tools + `/$d ] || cp -a ` + tools + `/$d/. /usr/$d/; done
		# What the packages do when they are installed.
		for p in iptables ip6tables; do for s in "" -save -restore; do ln -sf xtables-` + variant + `-multi /usr/sbin/$p$s; done; done
		cp /usr/share/ufw/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf /etc/ufw/
		mkdir -p /run/lock`)
}

func (a *administrator) script(text string) error {
	cmd := exec.CommandContext(a.tb.Context(), "bash", "-euc", text)
	cmd.Env = a.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.TrimSpace(text), err, out)
	}
	return nil
}

// environ is that of a machine without anything of the test's.
func (a *administrator) environ() []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin", "XTABLES_LOCKFILE=" + a.lock(), "LC_ALL=C.UTF-8", "HOME=/root", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + a.bus(),
	}
}

func (a *administrator) lock() string { return filepath.Join(a.dir, "xtables.lock") }

func (a *administrator) bus() string { return filepath.Join(a.dir, "bus") }

// do runs f on the administrator's thread.
func (a *administrator) do(f func()) {
	done := make(chan struct{})
	a.calls <- func() { defer close(done); f() }
	<-done
}

// run runs a command line, and gives what it prints.
func (a *administrator) run(line string) string {
	a.tb.Helper()
	var out []byte
	var err error
	a.do(func() {
		cmd := exec.CommandContext(a.tb.Context(), "bash", "-euc", line)
		cmd.Env = a.environ()
		out, err = cmd.CombinedOutput()
	})
	if err != nil {
		a.tb.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// start runs a program until the end of the test.
func (a *administrator) start(line string) {
	a.tb.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.tb.Fatal(err)
	}
	cmd := exec.Command("bash", "-euc", "exec "+line)
	cmd.Env, cmd.Stdout, cmd.Stderr = a.environ(), log, log
	a.do(func() { err = cmd.Start() })
	if err != nil {
		a.tb.Fatal(err)
	}
	a.tb.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if text, _ := os.ReadFile(log.Name()); a.tb.Failed() {
			a.tb.Logf("%s: %s", line, text)
		}
		_ = log.Close()
	})
}

// succeeds waits until a command line does.
func (a *administrator) succeeds(line string) {
	a.tb.Helper()
	soon(a.tb, line, func() bool {
		var err error
		a.do(func() {
			cmd := exec.CommandContext(a.tb.Context(), "bash", "-euc", line)
			cmd.Env = a.environ()
			err = cmd.Run()
		})
		return err == nil
	})
}

// firewall is the whole of the host's rules but ours, without what counts packets.
func (a *administrator) firewall() string {
	a.tb.Helper()
	text := a.run(`nft -s list ruleset 2>/dev/null
		for p in iptables ip6tables; do
			for t in $(cat /proc/thread-self/net/${p%tables}_tables_names); do $p-legacy-save -t $t; done
		done`)
	ours := regexp.MustCompile(`(?ms)^table inet tiffin \{.*?^\}\n`)
	counts := regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]`)
	return counts.ReplaceAllString(ours.ReplaceAllString(text, ""), "")
}

// lend makes the programs of iptables-legacy known to the Manager, which is in the
// mount namespace of the machine.
func (a *administrator) lend(t *testing.T) {
	t.Helper()
	requireTool(t, "nsenter")
	for _, name := range []string{"iptables-legacy", "ip6tables-legacy"} {
		text := "#!/bin/sh\nexec nsenter --mount=" + a.mnt + " /usr/sbin/" + name + ` "$@"` + "\n"
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XTABLES_LOCKFILE", a.lock())
	t.Setenv("PATH", a.dir+":"+os.Getenv("PATH"))
}
