package build

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tiffin/tests/harness"
)

// probe is the program for inside, once a test run.
func probe(tb testing.TB) string {
	tb.Helper()
	program, err := buildProbe()
	if err != nil {
		tb.Fatal(err)
	}
	return program
}

// probeDir is removed by TestMain.
var probeDir string

var buildProbe = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tiffin-probe-")
	if err != nil {
		return "", err
	}
	probeDir = dir
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir, "./tests/build/probe")
	cmd.Dir, cmd.Env = harness.Repository(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build probe: %w\n%s", err, out)
	}
	return filepath.Join(dir, "probe"), nil
})

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // BuildKit's libraries tell it of each connection that ends
	code := harness.Main(m)
	if probeDir != "" {
		_ = os.RemoveAll(probeDir)
	}
	os.Exit(code)
}

// seen is the root filesystem that a container of an image sees, without what the engine mounts on it, and the places
// of those mounts.
func (b *builder) seen(tb testing.TB, name string) (t tree, mounts []string, err error) {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "compose.yaml")
	text := fmt.Sprintf("name: seen-%s\nservices:\n  seen:\n    image: %q\n    pull_policy: never\n    entrypoint: [/.probe, tar]\n"+
		"    user: \"0:0\"\n    working_dir: /\n    network_mode: none\n    volumes: [\"%s:/.probe:ro\"]\n",
		strings.Map(wordly, name), name, probe(tb))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, nil, err
	}
	r := b.Do(tb, "-f", file, "run", "--rm", "-T", "--quiet", "seen")
	if r.Code != 0 {
		return nil, nil, fmt.Errorf("run: exit code %d: %s", r.Code, r.Stderr)
	}
	tr := tar.NewReader(strings.NewReader(r.Stdout))
	if _, err := tr.Next(); err != nil {
		return nil, nil, err
	}
	list, err := io.ReadAll(tr)
	if err != nil {
		return nil, nil, err
	}
	t = tree{}
	err = t.apply(tr)
	return t, strings.Split(strings.TrimSpace(string(list)), "\n"), err
}

func wordly(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

// checkStore wants a container of an image to see what the image's layers say, file by file: the store made its root
// filesystem while the image was built, and never unpacked the layers that it saves.
func (b *builder) checkStore(tb testing.TB, name string, img *image) error {
	tb.Helper()
	layers, err := img.tree(len(img.layers))
	if err != nil {
		return err
	}
	return b.sees(tb, name, layers)
}

// sees wants a container of an image to see some files; they are changed to what is to be compared.
func (b *builder) sees(tb testing.TB, name string, layers tree) error {
	tb.Helper()
	container, mounts, err := b.seen(tb, name)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		for _, t := range []tree{layers, container} {
			delete(t, m)
			t.remove(m, func(string) bool { return true })
		}
	}
	// What mounts need above them is made in the container.
	for _, m := range mounts {
		for dir := path.Dir(m); dir != "/"; dir = path.Dir(dir) {
			if layers[dir] == nil {
				delete(container, dir)
			}
		}
	}
	if mark := "/.dockerenv"; layers[mark] == nil { // so is this
		delete(container, mark)
	}
	for _, t := range []tree{layers, container} {
		for p, f := range t {
			if f.kind == tar.TypeDir { // its time is when its last mount point was made
				plain := *f
				plain.time = time.Time{}
				t[p] = &plain
			}
		}
	}
	if diff := container.difference(layers, true); diff != "" {
		return errors.New("a container sees other files than the layers have:\n" + diff)
	}
	return nil
}

// storeAgrees is checkStore for an image that is not looked at otherwise.
func (b *builder) storeAgrees(t *testing.T, name string) {
	t.Helper()
	img, err := b.saved(t, name)
	if err == nil {
		err = b.checkStore(t, name, img)
	}
	if err != nil {
		t.Error(err)
	}
}

// split is an image's files below what a build has added, and all of them.
func (img *image) split(layers int) (base, whole tree, err error) {
	if layers > len(img.layers) {
		return nil, nil, fmt.Errorf("the image has %d layers, its base %d", len(img.layers), layers)
	}
	if base, err = img.tree(layers); err != nil {
		return nil, nil, err
	}
	whole, err = img.tree(len(img.layers))
	return base, whole, err
}

// describe is an image as text: the parts that are asked for, or its configuration, history and files.
func (img *image) describe(baseLayers int, parts ...string) (string, error) {
	if len(parts) == 0 {
		parts = []string{"config", "history", "files"}
	}
	base, whole, err := img.split(baseLayers)
	if err != nil {
		return "", err
	}
	history, err := img.config.history(baseLayers)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, part := range parts {
		switch part {
		case "config":
			out.WriteString(img.config.text())
		case "history":
			out.WriteString(history)
		case "files":
			out.WriteString(whole.difference(base, false))
		case "times":
			out.WriteString(whole.difference(base, true))
		case "layers":
			for _, l := range img.layers[baseLayers:] {
				lines, err := members(l)
				if err != nil {
					return "", err
				}
				fmt.Fprintln(&out, "layer", strings.Join(lines, ", "))
			}
		default:
			return "", fmt.Errorf("no part is called %q", part)
		}
	}
	return out.String(), nil
}
