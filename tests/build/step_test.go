package build

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asSeen is what a process may do and what is hidden from it, as text that is the same for all containers.
const asSeen = `grep -E '^(Cap|Seccomp|NoNewPrivs|Uid|Gid)' /proc/self/status
readlink /proc/self/ns/user
cat /proc/self/uid_map
ls /dev | grep -v console
for f in /proc/kcore /proc/keys /proc/timer_list /proc/sysrq-trigger /proc/acpi /proc/scsi /sys/firmware /proc/interrupts; do
  test -e $f || continue
  echo "$f $(stat -c '%F %t,%T %s' $f) $(cat $f 2>/dev/null | wc -c) $(ls -A $f 2>/dev/null | wc -l)"
done
awk '$5 ~ "^/(proc|sys|dev)" && $5 !~ "console" { print $4 == "/" ? "/" : "part", $5, $6 }' /proc/self/mountinfo | sed 's/size=[0-9a-z]*//' | sort
ulimit -a
cat /proc/self/cgroup | head -n 1 | sed 's/[0-9a-f]\{64\}/ID/'
for f in /proc/sys/kernel/core_pattern /sys/kernel/mm/ksm/run; do (echo x >$f) 2>/dev/null && echo writable $f; done
mount -t tmpfs none /mnt 2>/dev/null && echo mounted
unshare -m true 2>/dev/null && echo unshared
ls /proc | grep -c '^[0-9]*$' | awk '{ print ($1 < 10) ? "few processes" : "many processes" }'
true
`

// TestAStepMayDoWhatAContainerMay: capabilities, seccomp, masks, devices, limits are those of a container, to the letter.
func TestAStepMayDoWhatAContainerMay(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	dir := folder(t, map[string]string{
		"Dockerfile": "FROM busybox\nCOPY seen /seen\nRUN --network=none sh /seen >/as-step\n", "seen": asSeen,
		"compose.yaml": "name: seen\nservices: {it: {image: step, pull_policy: never, network_mode: none}}\n",
	})
	b.mustBuild(t, &order{dir: dir, name: "step"})
	run := func(command ...string) string {
		return b.OK(t, append([]string{"-f", filepath.Join(dir, "compose.yaml"), "run", "--rm", "-T", "--quiet", "it"}, command...)...)
	}
	step, container := run("cat", "/as-step"), run("sh", "/seen")
	if diff := cmp.Diff(container, step); diff != "" {
		t.Errorf("a step may do other things than a container (-container +step):\n%s", diff)
	}
	host, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapBnd:\t00000000a80425fb", "Seccomp:\t2", "NoNewPrivs:\t0", host, "few processes"} {
		if !strings.Contains(step, want) {
			t.Errorf("%q is not in what a step sees:\n%s", want, step)
		}
	}
	for _, no := range []string{"writable", "unshared", "mounted"} {
		if strings.Contains(step, no) {
			t.Errorf("%q is in what a step sees:\n%s", no, step)
		}
	}
	o.untouched(t, b)
}

// TestAStepSeesNothingOfTheHost: no descriptor, no process, no socket, no folder of the engine's.
func TestAStepSeesNothingOfTheHost(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	program, err := os.ReadFile(probe(t))
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "x")
	write(t, secret, "x")
	dir := folder(t, map[string]string{
		"probe": string(program),
		"Dockerfile": `FROM busybox
COPY --chmod=755 probe /bin/probe
RUN --mount=type=cache,target=/c --mount=type=bind,target=/b --mount=type=secret,id=x --mount=type=tmpfs,target=/t probe descriptors
RUN cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\0' '\n' | grep -i tiffin || true
RUN cut -d' ' -f4-5 /proc/self/mountinfo; cat /proc/net/unix; ls -la /proc/self/cwd/ /proc/1/root/
RUN grep -E 'tiffin|` + filepath.Base(b.Run) + `' /proc/net/unix && echo SOCKET; true
RUN for d in /proc/self/fd/*; do readlink $d; done; test ! -e ` + b.Run + ` && test ! -e ` + b.Data + `
`,
	})
	r := o.tryTo(t, b, &order{dir: dir, name: "sees", secrets: secretFile(secret)})
	if r.err != nil {
		t.Fatalf("%v\n%s", r.err, r.log)
	}
	for line := range strings.Lines(r.log) {
		said, ok := strings.CutPrefix(line, "| ")
		if ok && (strings.HasPrefix(said, "descriptor ") || strings.Contains(said, "SOCKET") || strings.HasPrefix(said, "TIFFIN_")) {
			t.Errorf("a step has seen %s", said)
		}
	}
}

// TestAStepThatReplacesAMountPoint: what was made for a mount is removed, not what the step has put in its place
// (CVE-2024-23652).
func TestAStepThatReplacesAMountPoint(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	cases := map[string]string{
		"the folder above, by a link":    "RUN --mount=type=tmpfs,target=/a/b/c mv /a /old && ln -s OUTSIDE /a",
		"a folder deeper, by a link":     "RUN --mount=type=cache,target=/x/a/b/c mv /x/a /old && ln -s OUTSIDE /x/a",
		"the folder of a file":           "RUN --mount=type=secret,id=x,target=/a/b/file mv /a /old && ln -s OUTSIDE /a",
		"by a link upwards":              "RUN --mount=type=tmpfs,target=/a/b/c mv /a /old && ln -s ../../../../../../../..OUTSIDE /a",
		"the folder of the secrets":      "RUN --mount=type=secret,id=x,target=/run/b/file mv /run /old && ln -s OUTSIDE /run",
		"the folder of the name servers": "RUN mv /etc /old && ln -s OUTSIDE /etc",
	}
	for name, step := range cases {
		t.Run(name, func(t *testing.T) {
			o := newOutside(t, b)
			secret := filepath.Join(t.TempDir(), "x")
			write(t, secret, "x")
			// Where there is no /etc, it is made for the step, too.
			dockerfile := "FROM scratch\nCOPY --from=busybox /bin /bin\nENV PATH=/bin\n" + strings.ReplaceAll(step, "OUTSIDE", o.dir) + "\nRUN true\n"
			r := o.tryTo(t, b, &order{dir: folder(t, map[string]string{"Dockerfile": dockerfile}), name: "stub", secrets: secretFile(secret)})
			if r.err != nil {
				t.Errorf("the step could not do it: %v\n%s", r.err, r.log)
			}
		})
	}
}

// TestAWorkingDirectoryAmongDescriptors: no descriptor of the engine's is there to stand in (CVE-2024-21626).
func TestAWorkingDirectoryAmongDescriptors(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	for _, place := range []string{"/proc/self/fd/%d", "/proc/1/fd/%d"} {
		for fd := 3; fd < 12; fd++ {
			dir := fmt.Sprintf(place, fd)
			dockerfile := "FROM busybox\nWORKDIR " + dir + "\nRUN cat ../../../../../../../../.." + o.dir + "/secret; ls ../../../.. >/dev/null; true\n"
			r := b.build(t.Context(), &order{dir: folder(t, map[string]string{"Dockerfile": dockerfile}), name: "fd"})
			if r.err == nil {
				t.Errorf("a step runs in %s\n%s", dir, r.log)
			}
			o.unseen(t, b, r, "fd")
		}
	}
	o.untouched(t, b)
}

// TestASecretIsNowhere: neither in what a build says nor in any file that it leaves, the cache among them.
func TestASecretIsNowhere(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	const value = "s3cret-9d2b71e0"
	secret := filepath.Join(t.TempDir(), "x")
	write(t, secret, value)
	dir := folder(t, map[string]string{"Dockerfile": `FROM busybox
RUN --mount=type=secret,id=x --mount=type=secret,id=x,env=TOKEN test "$(cat /run/secrets/x)" = "$TOKEN" && test ${#TOKEN} = 15
RUN --mount=type=secret,id=x,target=/etc/deep/er/x,mode=0444 test -s /etc/deep/er/x
RUN test ! -e /run/secrets && test ! -e /etc/deep && test -z "$TOKEN"
RUN --mount=type=secret,id=x cat /run/secrets/x >/dev/null && false
`})
	r := b.build(t.Context(), &order{dir: dir, secrets: secretFile(secret)})
	if r.err == nil || !strings.Contains(r.log, "DONE [stage-0 4/5]") {
		t.Fatalf("want all but the last step to be well: %v\n%s", r.err, r.log)
	}
	if strings.Contains(r.log+r.err.Error(), value) {
		t.Errorf("the build has said the secret: %v\n%s", r.err, r.log)
	}
	for _, root := range []string{b.Data, b.Run} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(value)) {
				t.Errorf("%s has the secret", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	o.untouched(t, b)
}

// TestACacheThatIsSwappedWhileItIsMounted: one build exchanges a folder of a cache for a link that leads outside, again
// and again, while another mounts it (CVE-2024-23651).
func TestACacheThatIsSwappedWhileItIsMounted(t *testing.T) {
	t.Parallel()
	const rounds = 30
	b := attacker(t)
	o := newOutside(t, b)
	program, err := os.ReadFile(probe(t))
	if err != nil {
		t.Fatal(err)
	}
	swap := folder(t, map[string]string{"probe": string(program), "Dockerfile": "FROM busybox\nCOPY --chmod=755 probe /bin/probe\n" +
		"RUN --mount=type=cache,id=swap,target=/c rm -rf /c/* && mkdir /c/dir && echo inside >/c/dir/secret && ln -s " + o.dir + " /c/link\n" +
		"RUN --mount=type=cache,id=swap,target=/c probe exchange /c/dir /c/link 100000000\n"})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var swapping sync.WaitGroup
	swapping.Go(func() { b.build(ctx, &order{dir: swap}) })
	// A step waits until the cache is there, then its part is mounted again and again.
	first := folder(t, map[string]string{"Dockerfile": "FROM busybox\n" +
		"RUN --mount=type=cache,id=swap,target=/c timeout 30 sh -c 'until test -L /c/dir; do :; done'\n"})
	b.mustBuild(t, &order{dir: first})
	inside, refused := 0, 0
	for i := range rounds {
		dockerfile := fmt.Sprintf("FROM busybox\nRUN --mount=type=cache,id=swap,source=dir,target=/m cat /m/secret # %d\n", i)
		r := b.build(t.Context(), &order{dir: folder(t, map[string]string{"Dockerfile": dockerfile})})
		if strings.Contains(r.log+fmt.Sprint(r.err), canary) {
			t.Fatalf("round %d: the build has seen what is outside: %v\n%s", i, r.err, r.log)
		}
		switch {
		case r.err != nil:
			refused++
		case strings.Contains(r.log, "| inside"):
			inside++
		default:
			t.Fatalf("it is neither inside nor refused:\n%s", r.log)
		}
	}
	t.Logf("inside %d times, refused %d times", inside, refused)
	if inside == 0 || refused == 0 {
		t.Errorf("inside %d times, refused %d times: want both, else nothing was swapped", inside, refused)
	}
	stop()
	swapping.Wait()
	o.untouched(t, b)
}

// TestAStepLeavesNoProcess: with a step, everything ends that it has started.
func TestAStepLeavesNoProcess(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	dir := folder(t, map[string]string{
		"Dockerfile": "FROM busybox\nRUN sleep 31415 & setsid sleep 31416 >/dev/null 2>&1 & (setsid sleep 31417 &) ; echo begun\nRUN ! pgrep sleep; pidof sleep || echo none\n",
	})
	r := o.tryTo(t, b, &order{dir: dir, name: "processes"})
	if r.err != nil || !strings.Contains(r.log, "| begun") || !strings.Contains(r.log, "| none") {
		t.Errorf("%v\n%s", r.err, r.log)
	}
}

// TestABuildThatIsGivenUp: when its caller goes away in a step, nothing of it is left, and its image has no name.
func TestABuildThatIsGivenUp(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	serving, asked := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-serving
	}))
	defer server.Close()
	defer close(serving)
	dir := folder(t, map[string]string{
		"Dockerfile": "FROM busybox AS step\nRUN --mount=type=cache,id=given-up,target=/c echo >/c/there; sleep 31418\n" +
			"FROM busybox\nADD " + server.URL + "/slow /\nCOPY --from=step /etc/passwd /x\n",
	})
	ctx, giveUp := context.WithCancel(t.Context())
	var building sync.WaitGroup
	building.Go(func() {
		if r := b.build(ctx, &order{dir: dir, name: "given-up"}); r.err == nil {
			t.Errorf("it came to an end:\n%s", r.log)
		}
	})
	<-asked
	b.mustBuild(t, &order{dir: folder(t, map[string]string{"Dockerfile": "FROM busybox\n" +
		"RUN --mount=type=cache,id=given-up,target=/c timeout 30 sh -c 'until test -e /c/there; do :; done'\n"})})
	giveUp()
	building.Wait()
	if _, err := b.saved(t, "given-up"); err == nil {
		t.Error("it has an image")
	}
	o.untouched(t, b)
}
