package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"tiffin/engine/api"
	"tiffin/tests/harness"
)

// builder builds with the engine of one tiffin.
type builder struct {
	*harness.Tiffin

	client *bk.Client
}

// newBuilder is a tiffin whose Docker Hub is the test registry, with a connection to its builder, which stays.
func newBuilder(t *testing.T) *builder {
	t.Helper()
	return connect(t, newTiffin(t, lingering("1h")))
}

// newTiffin is a tiffin whose Docker Hub is the test registry. It may have further settings.
func newTiffin(t *testing.T, settings map[string]any) *harness.Tiffin {
	t.Helper()
	e := harness.New(t)
	r := harness.Registry(t)
	all := map[string]any{
		"registry-mirrors":    map[string][]string{"docker.io": {"http://" + r.Addr}},
		"insecure-registries": []string{r.Addr},
	}
	maps.Copy(all, settings)
	e.Configure(t, all)
	return e
}

// connect starts the engine and connects to its builder.
func connect(t *testing.T, e *harness.Tiffin) *builder {
	t.Helper()
	// Of the bases, one is here already, and the builds pull the other.
	e.Write(t, "compose.yaml", "services: {base: {image: busybox}}")
	e.OK(t, "pull")
	engine := api.NewClient(filepath.Join(e.Run, "tiffin.sock"))
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return engine.Build(context.WithoutCancel(ctx)) }
	client, err := bk.New(context.WithoutCancel(t.Context()), "", bk.WithContextDialer(dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &builder{e, client}
}

// warm builds something, so that what stays for the next build is there: what is seen afterwards is what later builds
// may leave.
func (b *builder) warm(t *testing.T) harness.Snapshot {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM busybox\nRUN true\n")
	b.mustBuild(t, &order{dir: dir, name: "warm"})
	return b.Snapshot(t)
}

// order is one build.
type order struct {
	dir          string    // the context
	context      fsutil.FS // in its place; dir has the Dockerfile
	dockerfiles  string    // the folder of the Dockerfile, when it is another one
	name         string    // the image's; empty: nothing comes of it
	attrs        map[string]string
	exports      map[string]string // of the exporter
	folders      map[string]string // named contexts
	secrets      []secretsprovider.Source
	agents       []sshprovider.AgentConfig
	entitlements []string
	definition   *llb.Definition // in place of a Dockerfile
}

// outcome is what came of a build.
type outcome struct {
	log string // a line for each step, and what it said
	err error
}

// buildTimeout is for a build that hangs; none takes nearly as long.
const buildTimeout = time.Minute

func (b *builder) build(ctx context.Context, o *order) outcome {
	opt, err := o.options()
	if err != nil {
		return outcome{err: err}
	}
	status, watched := make(chan *bk.SolveStatus), watch{steps: map[digest.Digest]*step{}}
	var watching sync.WaitGroup
	watching.Go(func() {
		for s := range status {
			watched.see(s)
		}
	})
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	_, err = b.client.Solve(ctx, o.definition, opt, status)
	watching.Wait()
	return outcome{watched.text(), err}
}

func (o *order) options() (bk.SolveOpt, error) {
	opt := bk.SolveOpt{LocalMounts: map[string]fsutil.FS{}, FrontendAttrs: o.attrs, AllowedEntitlements: o.entitlements}
	if o.definition == nil {
		opt.Frontend = "dockerfile.v0"
	}
	if o.name != "" {
		attrs := map[string]string{"name": fullName(o.name)}
		maps.Copy(attrs, o.exports)
		opt.Exports = []bk.ExportEntry{{Type: bk.ExporterImage, Attrs: attrs}}
	}
	folders := map[string]string{"context": o.dir, "dockerfile": cmp.Or(o.dockerfiles, o.dir)}
	maps.Copy(folders, o.folders)
	for name, dir := range folders {
		if dir == "" {
			continue
		}
		files, err := sent(dir)
		if err != nil {
			return opt, err
		}
		opt.LocalMounts[name] = files
	}
	if o.context != nil {
		opt.LocalMounts["context"] = o.context
	}
	store, err := secretsprovider.NewStore(o.secrets)
	if err != nil {
		return opt, err
	}
	opt.Session = []session.Attachable{secretsprovider.NewSecretProvider(store)}
	if len(o.agents) > 0 {
		keys, err := sshprovider.NewSSHAgentProvider(o.agents)
		if err != nil {
			return opt, err
		}
		opt.Session = append(opt.Session, keys)
	}
	return opt, nil
}

// sent is a folder as command lines send it: everything is root's.
func sent(dir string) (fsutil.FS, error) {
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	return fsutil.NewFilterFS(files, &fsutil.FilterOpt{Map: func(_ string, st *types.Stat) fsutil.MapResult {
		st.Uid, st.Gid = 0, 0
		return fsutil.MapResultKeep
	}})
}

// fullName is the name of an image as the engine has it.
func fullName(name string) string {
	if !strings.Contains(name, ":") {
		name += ":latest"
	}
	if !strings.Contains(name, "/") {
		name = "docker.io/library/" + name
	}
	return name
}

// watch collects what a build tells.
type watch struct {
	steps    map[digest.Digest]*step
	order    []digest.Digest
	warnings []string
}

type step struct {
	name   string
	state  string
	output strings.Builder
}

func (w *watch) see(s *bk.SolveStatus) {
	for _, v := range s.Vertexes {
		st := w.steps[v.Digest]
		if st == nil {
			st = &step{state: "NEVER"}
			w.steps[v.Digest] = st
			w.order = append(w.order, v.Digest)
		}
		st.name = v.Name
		switch {
		case v.Error != "":
			st.state = "ERROR"
		case v.Cached:
			st.state = "CACHED"
		case v.Completed != nil:
			st.state = "DONE"
		}
	}
	for _, l := range s.Logs {
		if st := w.steps[l.Vertex]; st != nil {
			st.output.Write(l.Data)
		}
	}
	for _, warning := range s.Warnings {
		w.warnings = append(w.warnings, string(warning.Short))
	}
}

// text has the steps in the order in which they were heard of; those that BuildKit takes for itself are left out.
func (w *watch) text() string {
	var b strings.Builder
	for _, d := range w.order {
		st := w.steps[d]
		if strings.HasPrefix(st.name, "[internal]") {
			continue
		}
		fmt.Fprintln(&b, st.state, st.name)
		for line := range strings.Lines(st.output.String()) {
			fmt.Fprintln(&b, "|", strings.TrimRight(line, "\r\n"))
		}
	}
	slices.Sort(w.warnings)
	for _, text := range w.warnings {
		fmt.Fprintln(&b, "WARNING", text)
	}
	return b.String()
}

// mustBuild builds what has to succeed.
func (b *builder) mustBuild(t *testing.T, o *order) {
	t.Helper()
	r := b.build(t.Context(), o)
	if r.err != nil {
		t.Fatalf("build: %v\n%s", r.err, r.log)
	}
}

// saved is an image as it is saved.
func (b *builder) saved(tb testing.TB, name string) (*image, error) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "image.tar")
	if r := b.Do(tb, "save", "-o", path, name); r.Code != 0 {
		return nil, errors.New(r.Stderr)
	}
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return readImage(archive)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// secretFile is a file as the secret x.
func secretFile(path string) []secretsprovider.Source {
	return []secretsprovider.Source{{ID: "x", FilePath: path}}
}
