package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine/runtime/hook"
)

// sh is a hook that runs a script of the host's shell.
func sh(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-ec", script}, Env: []string{"PATH=/usr/bin:/bin", "HOOK=yes"}}
}

// hooked makes a container with hooks.
func (b *bench) hooked(script string, hooks *specs.Hooks) *box {
	b.Helper()
	x := b.box(script)
	x.Spec.Hooks, x.Spec.Root.Path = hooks, "rootfs"
	x.Bundle = hook.Bundle(filepath.Join(b.TempDir(), "bundle"))
	return x
}

func TestHooksRunAtTheirTurns(t *testing.T) {
	b := newBench(t)
	said := filepath.Join(t.TempDir(), "said")
	note := func(turn string) string {
		return `echo "` + turn + `: $(grep -o '"status":"[a-z]*"')" >>` + said + `
`
	}
	x := b.hooked("cat /etc/made /etc/started; ls /mnt; hostname; read line", &specs.Hooks{
		Prestart:      []specs.Hook{sh(note("prestart"))},
		CreateRuntime: []specs.Hook{sh(note("createRuntime") + "test ! -e rootfs/proc/self && test $HOOK = yes")},
		// The container's files and the host's, with what is mounted.
		CreateContainer: []specs.Hook{sh(note("createContainer") + `
			test -e rootfs/proc/self && test -c rootfs/dev/null && test "$(hostname)" = box
			grep -q '"path":"rootfs"' config.json
			echo made >rootfs/etc/made && mkdir -p rootfs/mnt && mount -t tmpfs x rootfs/mnt && touch rootfs/mnt/mounted`)},
		StartContainer: []specs.Hook{{
			Path: "/bin/sh", Args: []string{"sh", "-c", "echo started >/etc/started; test ! -e " + said}, Env: []string{"PATH=/bin"},
		}},
		Poststart: []specs.Hook{sh(note("poststart"))},
		Poststop:  []specs.Hook{sh(note("first poststop") + "false"), sh(note("poststop"))},
	})
	stdin, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(stdin, input)
	x.Stdio.Stdin = stdin
	p := x.start()
	if _, err := input.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	x.wait(p)
	p.Drop()
	if diff := cmp.Diff("made\nstarted\nmounted\nbox\n", x.output.all()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	err = Stopped(t.Context(), x.ID, x.Bundle)
	if err == nil || !strings.Contains(err.Error(), "hook poststop /bin/sh: exit status 1") {
		t.Errorf("the first poststop hook fails, and got %v", err)
	}
	got, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	want := `prestart: "status":"creating"
createRuntime: "status":"creating"
createContainer: "status":"creating"
poststart: "status":"running"
first poststop: "status":"stopped"
poststop: "status":"stopped"
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if list, err := os.ReadDir(x.Bundle.Rootfs()); err != nil || len(list) > 0 {
		t.Errorf("the host sees the container's files: %v, %v", list, err)
	}
}

func TestHooksThatFailEndTheStart(t *testing.T) {
	b := newBench(t)
	second := 1
	for name, c := range map[string]struct {
		hooks specs.Hooks
		want  string
	}{
		"with what they said": {
			specs.Hooks{CreateRuntime: []specs.Hook{sh("echo no card; exit 3")}},
			"hook createRuntime /bin/sh: exit status 3: no card",
		},
		"in the container": {
			specs.Hooks{StartContainer: []specs.Hook{{Path: "/no/such"}}},
			"hook startContainer /no/such: fork/exec /no/such: no such file or directory",
		},
		"that hang": {
			specs.Hooks{CreateContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "exec sleep 1000"}, Env: []string{"PATH=/bin"}, Timeout: &second}}},
			"hook createContainer /bin/sh: it did not end within 1s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			_, err := b.hooked("echo ran", &c.hooks).try()
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}
