package build

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestCorpus builds every Dockerfile of testdata in one engine.
func TestCorpus(t *testing.T) {
	t.Parallel()
	b := newBuilder(t)
	before := b.warm(t)
	// The scripts run in parallel and after this function: only a group's end is the end of all of them.
	t.Run("corpus", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata",
			UpdateScripts:       os.Getenv("UPDATE") == "1",
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			Setup: func(env *testscript.Env) error {
				tb, ok := env.T().(testing.TB)
				if !ok {
					return errors.New("testscript no longer hands the test out")
				}
				env.Values[thisTest{}] = tb
				env.Setenv("PROBE", probe(tb))
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"build": b.cmdBuild, "tiffin": b.cmdTiffin, "image": b.cmdImage, "run": b.cmdRun, "same": b.cmdSame, "created": b.cmdCreated, "absent": b.cmdAbsent,
				"serve": cmdServe, "repository": cmdRepository, "needs": cmdNeeds,
				"agent": cmdAgent, "digest": cmdDigest, "touch": cmdTouch, "write": cmdWrite,
			},
		})
	})
	b.NothingLeft(t, before)
}

// thisTest is the key of a script's test.
type thisTest struct{}

func testOf(ts *testscript.TestScript) testing.TB {
	tb, _ := ts.Value(thisTest{}).(testing.TB)
	return tb
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// cmdBuild is `build [FLAGS] DIR`, with the flags of docker build. What the steps said is the standard output.
func (b *builder) cmdBuild(ts *testscript.TestScript, neg bool, args []string) {
	o, err := parseBuild(ts, args)
	ts.Check(err)
	r := b.build(testOf(ts).Context(), o)
	_, err = io.WriteString(ts.Stdout(), r.log)
	ts.Check(err)
	if r.err != nil {
		_, err = fmt.Fprintln(ts.Stderr(), r.err)
		ts.Check(err)
	}
	switch {
	case r.err != nil && !neg:
		ts.Fatalf("build: %v\n%s", r.err, r.log)
	case r.err == nil && neg:
		ts.Fatalf("it was built, and should not")
	}
}

func parseBuild(ts *testscript.TestScript, args []string) (*order, error) {
	var buildArgs, labels, contexts, secrets, agents, allow, attrs, exports list
	var file string
	o := &order{attrs: map[string]string{}, folders: map[string]string{}, exports: map[string]string{}}
	f := flag.NewFlagSet("build", flag.ContinueOnError)
	f.StringVar(&o.name, "t", "", "")
	f.StringVar(&file, "f", "", "")
	f.Var(&buildArgs, "build-arg", "")
	f.Var(&labels, "label", "")
	f.Var(&contexts, "build-context", "")
	f.Var(&secrets, "secret", "")
	f.Var(&agents, "ssh", "")
	f.Var(&allow, "allow", "")
	f.Var(&attrs, "attr", "")     // of the frontend, by BuildKit's name for it
	f.Var(&exports, "export", "") // of the exporter
	noCache := f.Bool("no-cache", false, "")
	target := f.String("target", "", "")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() != 1 {
		return nil, errors.New("usage: build [FLAGS] DIR")
	}
	o.dir, o.entitlements = ts.MkAbs(f.Arg(0)), allow
	setAll(o.attrs, "build-arg:", buildArgs)
	setAll(o.attrs, "label:", labels)
	setAll(o.attrs, "", attrs)
	setAll(o.exports, "", exports)
	if *noCache {
		o.attrs["no-cache"] = ""
	}
	if *target != "" {
		o.attrs["target"] = *target
	}
	if file != "" {
		o.dockerfiles, o.attrs["filename"] = filepath.Dir(ts.MkAbs(file)), filepath.Base(file)
	}
	for _, c := range contexts {
		name, value, _ := strings.Cut(c, "=")
		if !strings.Contains(value, ":") {
			o.folders[name] = ts.MkAbs(value)
			value = "local:" + name
		}
		o.attrs["context:"+name] = value
	}
	for _, s := range secrets {
		o.secrets = append(o.secrets, parseSecret(ts, s))
	}
	for _, a := range agents {
		id, path, _ := strings.Cut(a, "=")
		o.agents = append(o.agents, sshprovider.AgentConfig{ID: id, Paths: []string{path}})
	}
	return o, nil
}

func setAll(attrs map[string]string, prefix string, pairs []string) {
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		attrs[prefix+key] = value
	}
}

func parseSecret(ts *testscript.TestScript, text string) secretsprovider.Source {
	var s secretsprovider.Source
	for field := range strings.SplitSeq(text, ",") {
		switch key, value, _ := strings.Cut(field, "="); key {
		case "id":
			s.ID = value
		case "src":
			s.FilePath = ts.MkAbs(value)
		default:
			ts.Fatalf("secret: what is %q?", field)
		}
	}
	return s
}

// cmdImage is `image [-base N] NAME [PART…]`: an image as text, of which the first N layers (one, if that is not said)
// are its base. It wants a container to see what the layers say.
func (b *builder) cmdImage(ts *testscript.TestScript, _ bool, args []string) {
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	base := f.Int("base", 1, "")
	ts.Check(f.Parse(args))
	if f.NArg() == 0 {
		ts.Fatalf("usage: image [-base N] NAME [PART…]")
	}
	tb, name := testOf(ts), f.Arg(0)
	img, err := b.saved(tb, name)
	ts.Check(err)
	text, err := img.describe(*base, f.Args()[1:]...)
	_, _ = io.WriteString(ts.Stdout(), text)
	ts.Check(err)
	ts.Check(b.checkStore(tb, name, img))
}

// cmdRun is `run NAME COMMAND…`: what a container of an image says.
func (b *builder) cmdRun(ts *testscript.TestScript, neg bool, args []string) { //nolint:revive // the script's "!"
	if len(args) < 1 {
		ts.Fatalf("usage: run NAME [COMMAND…]")
	}
	file := ts.MkAbs("run.yaml")
	text := fmt.Sprintf("name: run-%s\nservices:\n  it:\n    image: %q\n    pull_policy: never\n    network_mode: none\n",
		strings.Map(wordly, args[0]), args[0])
	ts.Check(os.WriteFile(file, []byte(text), 0o644))
	r := b.Do(testOf(ts), append([]string{"-f", file, "run", "--rm", "-T", "--quiet", "it"}, args[1:]...)...)
	_, _ = io.WriteString(ts.Stdout(), r.Stdout)
	_, _ = io.WriteString(ts.Stderr(), r.Stderr)
	if (r.Code != 0) != neg {
		ts.Fatalf("run: exit code %d", r.Code)
	}
}

// cmdTiffin is `tiffin ARGS…`: the command line, in the script's folder.
func (b *builder) cmdTiffin(ts *testscript.TestScript, neg bool, args []string) { //nolint:revive // the script's "!"
	e := *b.Tiffin
	e.Dir = ts.Getenv("WORK")
	e.Env = map[string]string{"SSH_AUTH_SOCK": ts.Getenv("AGENT")}
	r := e.Do(testOf(ts), args...)
	_, _ = io.WriteString(ts.Stdout(), r.Stdout)
	_, _ = io.WriteString(ts.Stderr(), r.Stderr)
	if (r.Code != 0) != neg {
		ts.Fatalf("tiffin: exit code %d\n%s", r.Code, r.Stderr)
	}
}

// cmdSame is `same NAME NAME`: two names are one image, byte for byte.
func (b *builder) cmdSame(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same NAME NAME")
	}
	var images []*image
	for _, name := range args {
		img, err := b.saved(testOf(ts), name)
		ts.Check(err)
		images = append(images, img)
	}
	if diff := cmp.Diff(images[0].config, images[1].config); diff != "" {
		ts.Fatalf("they differ:\n%s", diff)
	}
}

// cmdCreated is `created NAME`: when an image says that it was made.
func (b *builder) cmdCreated(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: created NAME")
	}
	img, err := b.saved(testOf(ts), args[0])
	ts.Check(err)
	if img.config.Created == nil {
		ts.Fatalf("it does not say")
	}
	_, _ = fmt.Fprintln(ts.Stdout(), img.config.Created.UTC().Format(time.RFC3339))
}

// cmdAbsent is `absent NAME`: there is no image of that name.
func (b *builder) cmdAbsent(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: absent NAME")
	}
	if _, err := b.saved(testOf(ts), args[0]); err == nil {
		ts.Fatalf("there is an image %s", args[0])
	}
}

// TestEveryInstructionIsInTheCorpus looks for what no script has.
func TestEveryInstructionIsInTheCorpus(t *testing.T) {
	missing := map[string]bool{}
	for _, name := range []string{
		"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
		"RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
	} {
		missing[name] = true
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if words := strings.Fields(line); len(words) > 1 {
				delete(missing, words[0])
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("no script has %q", slices.Sorted(maps.Keys(missing)))
	}
}
