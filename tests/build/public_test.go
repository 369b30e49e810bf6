package build

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/tests/harness"
	"tiffin/tests/images"
)

// guestbook is the project of samples/guestbook whose other images are built, too, with an engine that can pull their base
// and nothing else.
type guestbook struct {
	*builder

	contexts string
	base     tree
	baseID   digest.Digest
	want     map[string]*expected // by the name of the image
}

// expected is what is known of an image of tests/images once its layers need no memory any more.
type expected struct {
	config config
	files  tree
}

// TestPublicImages builds nginx, redis and postgres by Dockerfiles like those of the public images, and compares them with
// the images that tests/images makes without tiffin. Then samples/guestbook runs on them.
func TestPublicImages(t *testing.T) {
	t.Parallel()
	g := newGuestbook(t)
	g.OK(t, "build")
	built := g.ids(t)
	for _, p := range publicImages {
		t.Run(p.name+" is what its packages make", func(t *testing.T) { g.compare(t, p) })
	}
	t.Run("nothing is built twice", func(t *testing.T) {
		allCached(t, g.Do(t, "--progress", "plain", "build"), 15)
		if diff := cmp.Diff(built, g.ids(t)); diff != "" {
			t.Errorf("the images are others now (-first +second):\n%s", diff)
		}
	})
	t.Run("the sample runs on them", g.runs)
	t.Run("one for two platforms", g.platforms)
}

func newGuestbook(t *testing.T) *guestbook {
	t.Helper()
	e := harness.New(t)
	e.Mirror(t, harness.RegistryWith(t, "library/debian:stable-slim", "library/busybox:latest"))
	override, err := filepath.Abs("testdata/public/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	g := &guestbook{builder: &builder{Tiffin: e}, contexts: t.TempDir(), want: map[string]*expected{}}
	e.Dir = filepath.Join(harness.Repository(), "samples", "guestbook")
	e.Env = map[string]string{"COMPOSE_FILE": "compose.yaml:" + override, "CONTEXTS": g.contexts, "GUESTBOOK_PORT": "0"}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(e.Dir, "..", "programs"), "guestbook").CombinedOutput(); err != nil {
		t.Fatalf("samples/programs guestbook: %v\n%s", err, out)
	}
	store := harness.Images(t).Store()
	for _, p := range publicImages {
		packed, err := readPacked(store, p.name)
		if err != nil {
			t.Fatal(err)
		}
		if g.want[p.name], err = g.expect(store, packed); err != nil {
			t.Fatal(err)
		}
		if err := p.context(filepath.Join(g.contexts, p.name), packed.top); err != nil {
			t.Fatalf("the context of %s: %v", p.name, err)
		}
	}
	return g
}

// expect makes the files of an image of tests/images: those of the base, which is unpacked once, and the packages'.
func (g *guestbook) expect(store *images.Store, packed *packedImage) (*expected, error) {
	if g.base == nil {
		plain, err := unzipped(store, packed.base)
		if err != nil {
			return nil, err
		}
		g.base, g.baseID = tree{}, packed.config.RootFS.DiffIDs[0]
		if err := g.base.apply(tar.NewReader(bytes.NewReader(plain))); err != nil {
			return nil, err
		}
	}
	files, err := g.onBase(packed.config.RootFS.DiffIDs, [][]byte{nil, packed.top})
	return &expected{packed.config, files}, err
}

// onBase unpacks the layers above the base.
func (g *guestbook) onBase(ids []digest.Digest, layers [][]byte) (tree, error) {
	if ids[0] != g.baseID {
		return nil, fmt.Errorf("the image stands on %s, not on the base, %s", ids[0], g.baseID)
	}
	files := maps.Clone(g.base)
	for i, l := range layers[1:] {
		if err := files.apply(tar.NewReader(bytes.NewReader(l))); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	delete(files, "/")
	return files, nil
}

// ids are the IDs of the stored images by name.
func (g *guestbook) ids(t *testing.T) map[string]string {
	t.Helper()
	var rows []struct{ ID, Repository, Tag string }
	if err := json.Unmarshal([]byte(g.OK(t, "images", "--all", "--format", "json")), &rows); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range rows {
		all[r.Repository+":"+r.Tag] = r.ID
	}
	return all
}

// compare wants of an image what a container of it would notice: its configuration, and each file but for its times.
func (g *guestbook) compare(t *testing.T, p *publicImage) {
	t.Helper()
	img, err := g.saved(t, p.tag)
	if err != nil {
		t.Fatal(err)
	}
	want, got := g.want[p.name], img.config
	labels := map[string]string{"com.docker.compose.project": "guestbook", "com.docker.compose.service": p.service}
	if diff := cmp.Diff(labels, got.Config.Labels); diff != "" {
		t.Errorf("labels: want -, got +\n%s", diff)
	}
	got.Config.Labels = nil
	got.Config.ArgsEscaped = false //nolint:staticcheck // BuildKit says so of each command; it has a meaning on Windows only
	if diff := cmp.Diff(want.config.Config, got.Config, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("configuration: want -, got +\n%s", diff)
	}
	if got.OS != want.config.OS || got.Architecture != want.config.Architecture {
		t.Errorf("it is for %s/%s, want %s/%s", got.OS, got.Architecture, want.config.OS, want.config.Architecture)
	}
	files, err := g.onBase(got.RootFS.DiffIDs, img.layers)
	if err != nil {
		t.Fatal(err)
	}
	if diff := files.difference(want.files, false); diff != "" {
		t.Errorf("files that are other ones, or gone (-):\n%s", diff)
	}
	if err := g.sees(t, p.tag, files); err != nil {
		t.Error(err)
	}
}

// stepLine is the first line of a step in plain progress, and how it ended.
var stepLine = regexp.MustCompile(`(?m)^(#\d+) (?:\[(.* \d+/\d+|\d+/\d+)\] (.*)|(CACHED|DONE|ERROR).*)$`)

// allCached wants some steps, and each of them to have come from the cache.
func allCached(t *testing.T, r harness.Result, steps int) {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("exit code %d\n%s", r.Code, r.Stderr)
	}
	names, ends := map[string]string{}, map[string]string{}
	for _, m := range stepLine.FindAllStringSubmatch(r.Stderr, -1) {
		switch {
		case m[4] != "":
			ends[m[1]] = m[4]
		case !strings.HasPrefix(m[3], "FROM "):
			names[m[1]] = m[2] + " " + m[3]
		}
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if ends[n] != "CACHED" {
			t.Errorf("%s is %s, want CACHED", names[n], ends[n])
		}
	}
	if len(names) != steps {
		t.Errorf("%d steps, want %d:\n%s", len(names), steps, r.Stderr)
	}
}

// runs takes the sample up and signs the book.
func (g *guestbook) runs(t *testing.T) {
	before := g.Snapshot(t)
	g.OK(t, "up", "-d", "--wait", "--no-build")
	var rows []struct{ ID, Repository, Tag string }
	if err := json.Unmarshal([]byte(g.OK(t, "images", "--format", "json")), &rows); err != nil {
		t.Fatal(err)
	}
	built := g.ids(t)
	for _, r := range rows {
		if r.ID != built[r.Repository+":"+r.Tag] {
			t.Errorf("%s:%s runs as %s, built was %s", r.Repository, r.Tag, r.ID, built[r.Repository+":"+r.Tag])
		}
	}
	if len(rows) != 4 {
		t.Errorf("%d containers, want 4", len(rows))
	}
	page := "http://" + strings.TrimSpace(g.OK(t, "port", "nginx", "80")) + "/"
	page = strings.Replace(page, "0.0.0.0", "127.0.0.1", 1)
	browse(t, http.MethodGet, page, "", "Please sign below.") // from init.sql
	browse(t, http.MethodPost, page+"sign", "name=Ada&message=hello", "<b>Ada</b>: hello")
	browse(t, http.MethodGet, page, "", "<p>3 visits</p>") // redis has counted, after the signature, too
	g.OK(t, "down", "-v")
	g.NothingLeft(t, before)
}

// browse sends a form, or nothing, and wants some text on the page that comes back.
func browse(t *testing.T, method, url, form, want string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		t.Fatalf("%s %s: %s, want %q on the page:\n%s", method, url, resp.Status, want, body)
	}
}

// platforms builds one image for two platforms, takes it away and reads it again from what was saved.
func (g *guestbook) platforms(t *testing.T) {
	dir, err := filepath.Abs("testdata/public/platforms")
	if err != nil {
		t.Fatal(err)
	}
	e := *g.Tiffin
	e.Dir, e.Env = dir, nil
	e.OK(t, "build")
	want := map[string]string{"linux/amd64": "hello from amd64\n", "linux/arm64": "hello from arm64\n"}
	first := filepath.Join(t.TempDir(), "greeter.tar")
	e.OK(t, "save", "-o", first, "platforms/greeter")
	index, greetings := readGreetings(t, first)
	if diff := cmp.Diff(want, greetings); diff != "" {
		t.Errorf("saved: want -, got +\n%s", diff)
	}

	e.OK(t, "rmi", "platforms/greeter")
	e.OK(t, "load", "-i", first)
	if said := e.OK(t, "run", "--rm", "-T", "--quiet", "greeter"); said != want["linux/amd64"] {
		t.Errorf("it says %q, want %q", said, want["linux/amd64"])
	}
	second := filepath.Join(t.TempDir(), "greeter.tar")
	e.OK(t, "save", "-o", second, "platforms/greeter")
	if again, greetings := readGreetings(t, second); again != index || !maps.Equal(want, greetings) {
		t.Errorf("loaded and saved again it is %s with %q, want %s with the same as before", again, greetings, index)
	}
}

// readGreetings reads an archive of an index: its digest, and what each platform's image has as /greeting. Their bases are
// two different ones.
func readGreetings(t *testing.T, path string) (index digest.Digest, greetings map[string]string) {
	t.Helper()
	archive, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := readBlobs(archive)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string, v any) {
		t.Helper()
		if err := json.Unmarshal(blobs[name], v); err != nil {
			t.Fatalf("%s in the archive: %v", name, err)
		}
	}
	var layout, platforms ocispec.Index
	read("index.json", &layout)
	if len(layout.Manifests) != 1 {
		t.Fatalf("%d images in the archive, want one", len(layout.Manifests))
	}
	index = layout.Manifests[0].Digest
	read(blobName(index), &platforms)
	greetings, bases := map[string]string{}, map[digest.Digest]bool{}
	for _, d := range platforms.Manifests {
		var m ocispec.Manifest
		read(blobName(d.Digest), &m)
		files := tree{}
		for _, l := range m.Layers {
			plain, err := uncompressed(blobs[blobName(l.Digest)])
			if err == nil {
				err = files.apply(tar.NewReader(bytes.NewReader(plain)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var c config
		read(blobName(m.Config.Digest), &c)
		bases[c.RootFS.DiffIDs[0]] = true
		if name := d.Platform.OS + "/" + d.Platform.Architecture; files["/greeting"] != nil && c.Architecture == d.Platform.Architecture {
			greetings[name] = files["/greeting"].content
		}
	}
	if len(bases) != len(greetings) {
		t.Errorf("%d bases for %d platforms", len(bases), len(greetings))
	}
	return index, greetings
}

func blobName(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }
