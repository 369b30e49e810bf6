package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/jsonstream"

	"tiffin/tests/harness"
	"tiffin/tests/programs"
)

// dockerBuild are the files of a build of two stages.
var dockerBuild = map[string]string{
	"Dockerfile": "FROM busybox AS made\nARG WHO=nobody\nRUN echo hello $WHO >/out && echo making\n" +
		"FROM busybox\nCOPY --from=made /out /\nCOPY file /\nLABEL own=1\nRUN cat /out /file\n",
	"fails":  "FROM busybox\nRUN echo before; exit 3\n",
	"secret": "FROM busybox\nRUN --mount=type=secret,id=token sha256sum /run/secrets/token\n",
	"waits":  "FROM busybox\nRUN echo begun; sleep 1000\n",
	"file":   "content\n",
}

// daemon is an engine that is called as dockerd is.
type daemon struct {
	*builder
	http http.Client
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	b := newBuilder(t)
	d := &daemon{builder: b}
	d.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", filepath.Join(b.Run, "tiffin.sock"))
	}}
	return d
}

func archived(tb testing.TB, files map[string]string) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// extended is the same archive, as moby's go-archive has it: the times of files are exact, in headers of their own.
func extended(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(plain)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			h.Format, h.ModTime = tar.FormatPAX, time.Unix(1, 1)
			err = w.WriteHeader(h)
		}
		if err == nil {
			_, err = io.Copy(w, r)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func zipped(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// post asks for a build, and hands out each message of the answer.
func (d *daemon) post(ctx context.Context, query string, body []byte, each func(jsonstream.Message)) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker/v1.44/build?"+query, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-tar")
	resp, err := d.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	in := json.NewDecoder(resp.Body)
	for {
		var m jsonstream.Message
		if err := in.Decode(&m); errors.Is(err, io.EOF) {
			return resp.StatusCode, nil
		} else if err != nil {
			return resp.StatusCode, err
		}
		each(m)
	}
}

// answered is the text of an answer, the ID in it, and its error.
func (d *daemon) answered(tb testing.TB, query string, body []byte) (text, id string, failed *jsonstream.Error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), buildTimeout)
	defer cancel()
	var out strings.Builder
	code, err := d.post(ctx, query, body, func(m jsonstream.Message) {
		out.WriteString(m.Stream)
		if m.Aux != nil && (m.ID == "" || m.ID == "moby.image.id") {
			var result struct{ ID string }
			if err := json.Unmarshal(*m.Aux, &result); err != nil {
				tb.Error(err)
			}
			id = result.ID
		}
		failed = m.Error
	})
	if err != nil || code != http.StatusOK {
		tb.Fatalf("status %d, %v: %s", code, err, &out)
	}
	return out.String(), id, failed
}

// says runs a command in a container of an image.
func (d *daemon) says(tb testing.TB, image string, command ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "name: says\nservices: {says: {image: %q, pull_policy: never, network_mode: none}}\n", image), 0o644); err != nil {
		tb.Fatal(err)
	}
	return d.OK(tb, append([]string{"-f", file, "run", "--rm", "-T", "--quiet", "says"}, command...)...)
}

// TestTheClassicAPIBuilds speaks POST /build as Testcontainers and old clients do.
func TestTheClassicAPIBuilds(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	before := d.warm(t)
	files := archived(t, dockerBuild)

	text, id, failed := d.answered(t, "t=classic&t=other:1&buildargs="+url.QueryEscape(`{"WHO":"you"}`)+"&labels="+url.QueryEscape(`{"given":"2"}`), files)
	if failed != nil {
		t.Fatal(failed)
	}
	for _, want := range []string{
		`(?m)^Step \d/\d : \[made\] RUN echo hello you`, `(?m)^making$`, `(?m)^hello you$`, `(?m)^content$`,
		`Successfully built ` + strings.TrimPrefix(id, "sha256:")[:12] + `\nSuccessfully tagged classic:latest\nSuccessfully tagged other:1\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the answer has no %s:\n%s", want, text)
		}
	}
	if got := d.says(t, "other:1", "cat", "/out", "/file"); got != "hello you\ncontent\n" {
		t.Errorf("the image says %q", got)
	}
	img, err := d.saved(t, "classic")
	if err != nil {
		t.Fatal(err)
	}
	if config := img.config.text(); !strings.Contains(config, "own") || !strings.Contains(config, "given") {
		t.Errorf("the labels are not there:\n%s", config)
	}

	again, sameID, _ := d.answered(t, "t=classic&buildargs="+url.QueryEscape(`{"WHO":"you"}`)+"&labels="+url.QueryEscape(`{"given":"2"}`), zipped(t, files))
	if sameID != id || !strings.Contains(again, " ---> Using cache\n") || strings.Contains(again, "\nmaking\n") {
		t.Errorf("the second build, packed, is %s, not %s:\n%s", sameID, id, again)
	}
	if _, thirdID, failed := d.answered(t, "target=made", extended(t, files)); failed != nil || thirdID == "" {
		t.Errorf("a context with extended headers: %v", failed)
	}
	if quiet, _, _ := d.answered(t, "q=1&target=made", files); !regexp.MustCompile(`^sha256:[0-9a-f]{64}\n$`).MatchString(quiet) {
		t.Errorf("a quiet build says %q", quiet)
	}
	if _, traced, _ := d.answered(t, "version=2&target=made", files); !strings.HasPrefix(traced, "sha256:") {
		t.Errorf("a build by BuildKit has the ID %q", traced)
	}
	text, _, failed = d.answered(t, "dockerfile=fails&t=never", files)
	if failed == nil || failed.Code != 3 || failed.Message != "The command '/bin/sh -c echo before; exit 3' returned a non-zero code: 3" || !strings.Contains(text, "before\n") {
		t.Errorf("the failure is %+v:\n%s", failed, text)
	}
	if list := d.OK(t, "ps", "-a", "-q"); list != "" {
		t.Errorf("containers of builds are left: %s", list)
	}
	d.NothingLeft(t, before)
}

// TestABuildEndsWhenItsClientGoes also ends it by name.
func TestABuildEndsWhenItsClientGoes(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	body := archived(t, dockerBuild)
	running := func() bool {
		return slices.ContainsFunc(d.Processes(), func(p harness.Process) bool { return strings.Contains(p.Command, "sleep 1000") })
	}
	build := func(ctx context.Context, query string, begun func()) error {
		var failed *jsonstream.Error
		_, err := d.post(ctx, query, body, func(m jsonstream.Message) {
			if m.Stream == "begun\n" {
				begun()
			}
			failed = m.Error
		})
		if failed != nil {
			err = failed
		}
		return err
	}
	ctx, leave := context.WithCancel(t.Context())
	if err := build(ctx, "dockerfile=waits", leave); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	const limit = 10 * time.Second
	harness.Until(t, limit, "the step ends with its client", func() bool { return !running() })

	err := build(t.Context(), "dockerfile=waits&nocache=1&buildid=mine", func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://docker/build/cancel?id=mine", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := d.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	})
	if err == nil || err.Error() != "context canceled" {
		t.Errorf("a build that was canceled: %v", err)
	}
	harness.Until(t, limit, "the step ends with its build", func() bool { return !running() })
}

// buildx runs docker's plugin by itself.
func (d *daemon) buildx(tb testing.TB, args ...string) (string, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, programs.Path(tb, programs.Buildx), args...)
	cmd.Dir = d.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.Dir, "DOCKER_HOST=unix://" + filepath.Join(d.Run, "tiffin.sock")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestBuildx builds with docker's plugin into the store, and what it does with it is what docker does.
func TestBuildx(t *testing.T) {
	t.Parallel()
	programs.Path(t, programs.Buildx)
	d := newDaemon(t)
	before := d.warm(t)
	for name, text := range dockerBuild {
		d.Write(t, "ctx/"+name, text)
	}
	d.Write(t, "token", "s3cret\n")
	r := harness.EmptyRegistry(t)
	for _, c := range []struct {
		args []string
		want string // is in what it says
		code bool   // it fails
	}{
		{[]string{"build", "-t", "built", "-t", "built:2", "--build-arg", "WHO=me", "ctx"}, "hello me", false},
		{[]string{"build", "-t", "built:3", "--build-arg", "WHO=me", "ctx"}, "CACHED", false},
		{[]string{"build", "--no-cache", "--target", "made", "ctx"}, "making", false},
		{[]string{"build", "-f", "ctx/fails", "ctx"}, `process "/bin/sh -c echo before; exit 3" did not complete successfully: exit code: 3`, true},
		{[]string{"build", "-f", "ctx/secret", "--secret", "id=token,src=token", "ctx"}, "  /run/secrets/token", false},
		{[]string{"build", "--no-cache", "-f", "ctx/secret", "ctx"}, "can't open '/run/secrets/token'", true},
		{[]string{"build", "--load", "-t", "loaded", "ctx"}, "naming to", false},
		{[]string{"build", "--output", "type=local,dest=made", "--target", "made", "ctx"}, "exporting to client directory", false},
		{[]string{"build", "--output", "type=docker,dest=out.tar", "-t", "archived", "ctx"}, "sending tarball", false},
		{[]string{"build", "--push", "-t", r.Addr + "/pushed:1", "ctx"}, "pushing manifest for " + r.Addr + "/pushed:1", false},
		{[]string{"build", "--add-host", "gw:host-gateway", "-t", "hosts", "ctx"}, "exporting", false},
		{[]string{"du"}, "Total:", false},
		{[]string{"prune", "-f"}, "Total:", false},
	} {
		args := c.args
		if args[0] == "build" {
			args = append([]string{"build", "--progress", "plain"}, args[1:]...)
		}
		out, err := d.buildx(t, args...)
		if (err != nil) != c.code || !strings.Contains(out, c.want) {
			t.Errorf("buildx %s: %v, want %q in\n%s", strings.Join(c.args, " "), err, c.want, out)
		}
	}
	for _, name := range []string{"built", "built:2", "built:3"} {
		if got := d.says(t, name, "cat", "/out", "/file"); got != "hello me\ncontent\n" {
			t.Errorf("%s says %q", name, got)
		}
	}
	if got, err := os.ReadFile(filepath.Join(d.Dir, "made/out")); string(got) != "hello nobody\n" {
		t.Errorf("the folder has %q, %v", got, err)
	}
	d.OK(t, "load", "-i", "out.tar")
	d.says(t, "archived", "cat", "/out")
	out, err := d.buildx(t, "build", "-q", "ctx")
	if got := d.says(t, strings.TrimSpace(out), "cat", "/out"); err != nil || got != "hello nobody\n" {
		t.Errorf("an image by the ID %q, %v, says %q", out, err, got)
	}
	d.NothingLeft(t, before)
}
