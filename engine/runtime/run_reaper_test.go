package runtime

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// withReaper makes PID 1 of the box a reaper.
func (x *box) withReaper() *box {
	x.Helper()
	program, err := keeperProgram()
	if err != nil {
		x.Fatal(err)
	}
	x.Reaper = program
	return x
}

func TestReaper(t *testing.T) {
	b := newBench(t)
	t.Run("the command's exit code is the container's", func(t *testing.T) {
		b := b.in(t)
		said, exit := b.box("echo $$; tr '\\0' ' ' </proc/1/cmdline | cut -c1-18; exit 6").withReaper().run()
		if exit.Code() != 6 || said != "2\ntiffin-init -- sh \n" {
			t.Errorf("exit %d, said %q", exit.Code(), said)
		}
	})
	t.Run("a command that is killed", func(t *testing.T) {
		b := b.in(t)
		if _, exit := b.box("kill -9 $$").withReaper().run(); exit.Code() != 137 {
			t.Errorf("exit %d", exit.Code())
		}
	})
	t.Run("its program cannot be written to", func(t *testing.T) {
		b := b.in(t)
		said, _ := b.box("echo x >/proc/1/exe; head -c 4 /proc/1/exe | tail -c 3").withReaper().run()
		if said != "sh: can't create /proc/1/exe: Text file busy\nELF" {
			t.Errorf("said %q", said)
		}
	})
	t.Run("orphans are buried", func(t *testing.T) {
		b := b.in(t)
		script := "for i in 1 2 3; do (true & exec true) & wait $!; done; sleep 0.1; ls /proc | grep -c '^[0-9]'; cat /proc/[0-9]*/stat | grep -c ' Z '"
		said, _ := b.box(script).withReaper().run()
		lines := strings.Fields(said)
		if len(lines) != 2 || lines[1] != "0" {
			t.Errorf("said %q", said)
		}
	})
	t.Run("signals come to the command", func(t *testing.T) {
		b := b.in(t)
		x := b.box("trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 1 & wait; done").withReaper()
		p := x.start()
		if got := x.output.line(); got != "ready" {
			t.Fatal(got)
		}
		if err := p.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if exit := x.wait(p); exit.Code() != 7 {
			t.Errorf("exit %d", exit.Code())
		}
		p.Drop()
	})
	t.Run("a command that is not there is told as without a reaper", func(t *testing.T) {
		b := b.in(t)
		x := b.boxOf(testSpec(t, "nothing")).withReaper()
		if _, err := x.try(); !errors.Is(err, ErrCommandNotFound) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a terminal's foreground is the command's", func(t *testing.T) {
		b := b.in(t)
		x := b.box("trap 'echo int; exit 9' INT; echo ready; while :; do sleep 1; done").withReaper()
		x.Spec.Process.Terminal = true
		p := x.start()
		screen := &output{t, p.Console(), p.Console()}
		if got := strings.TrimSuffix(screen.line(), "\r"); got != "ready" {
			t.Fatal(got)
		}
		if _, err := p.Console().WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
		if exit := x.wait(p); exit.Code() != 9 {
			t.Errorf("exit %d", exit.Code())
		}
		p.Drop()
	})
	t.Run("it takes a PID namespace", func(t *testing.T) {
		b := b.in(t)
		x := b.box("true").withReaper()
		x.Spec.Linux.Namespaces = x.Spec.Linux.Namespaces[:1]
		x.Spec.Hostname, x.Spec.Linux.Sysctl = "", nil
		if _, err := x.try(); !errors.Is(err, ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}
