package project

import (
	"encoding/json"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/sirupsen/logrus"
)

// corpus are projects as people write them.
func corpus(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/corpus/*.yaml")
	if err != nil || len(files) == 0 {
		tb.Fatal("no corpus", err)
	}
	return files
}

func corpusOptions(tb testing.TB, file string) Options {
	tb.Helper()
	dir, err := filepath.Abs("testdata/corpus")
	if err != nil {
		tb.Fatal(err)
	}
	return Options{
		WorkingDir: dir, Files: []string{filepath.Base(file)},
		Environ: []string{"HOME=/home/me", "GITEA_DB_PASSWORD=pw", "WEBPASSWORD=pw"},
	}
}

func TestTheCorpusBecomesStacks(t *testing.T) {
	for _, file := range corpus(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, err := Load(t.Context(), corpusOptions(t, file))
			if err != nil {
				t.Fatal(err)
			}
			stack, err := p.Stack()
			if err != nil {
				t.Fatal(err)
			}
			if len(stack.Services) == 0 {
				t.Error("no services")
			}
			for _, s := range stack.Services {
				if s.Container.Image == "" || len(s.Hash) != 64 {
					t.Errorf("%s: image %q, hash %q", s.Name, s.Container.Image, s.Hash)
				}
			}
		})
	}
}

// TestTheModelIsComposeGos compares with compose-go left to itself: its own variables,
// casts, validation, defaults and paths, all of which are ours in Load.
func TestTheModelIsComposeGos(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for _, file := range corpus(t) {
		t.Run(filepath.Base(file), func(t *testing.T) { sameModel(t, corpusOptions(t, file)) })
	}
	projects, err := filepath.Glob("../tests/corpus/*/*compose.y*ml")
	if err != nil || len(projects) == 0 {
		t.Fatal("no corpus", err)
	}
	for _, file := range projects {
		t.Run(file, func(t *testing.T) {
			dir, err := filepath.Abs(filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			switch filepath.Base(dir) {
			case "deploy-limits", "hardened":
				t.Skip("compose-go takes no durations for the CPU controller")
			case "builds":
				t.Skip("what compose-go writes for an SSH key with a path is no JSON")
			}
			sameModel(t, Options{WorkingDir: dir, Environ: []string{"HOME=/home/me", "FROM_SHELL=shell"}})
		})
	}
	cases, err := filepath.Glob("testdata/s*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(path, ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o, _ := options(t, string(archive.Comment))
			if !slices.ContainsFunc(archive.Files, func(f txtar.File) bool { return f.Name == "stack" }) || o.Stdin != nil || o.Scale != nil {
				t.Skip("no stack to compare")
			}
			o.WorkingDir = filepath.Join(unpack(t, archive), o.WorkingDir)
			o.Environ = append(o.Environ, "HOME=/home/me")
			sameModel(t, o)
		})
	}
}

func sameModel(t *testing.T, o Options) {
	t.Helper()
	p, err := load(t.Context(), o, way{})
	if err != nil {
		t.Fatal(err)
	}
	// Where and what is ours; from there on compose-go is alone.
	details := types.ConfigDetails{
		WorkingDir: p.site.dir, Environment: maps.Clone(p.site.env), ConfigFiles: types.ToConfigFiles(p.site.files),
	}
	logrus.SetOutput(io.Discard)
	theirs, err := loader.LoadWithContext(t.Context(), details, loader.WithProfiles(p.site.profiles),
		func(lo *loader.Options) {
			lo.SetProjectName(p.Name(), true)
			lo.SkipResolveEnvironment = true
			lo.SkipResolveLabels = true
		})
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = theirs.WithServicesEnabled(o.Services...); err != nil {
		t.Fatal(err)
	}
	if theirs, err = theirs.WithServicesEnvironmentResolved(true); err != nil {
		t.Fatal(err)
	}
	if theirs, err = theirs.WithServicesLabelsResolved(true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(printed(t, theirs), printed(t, p.model)); diff != "" {
		t.Errorf("compose-go -, ours +\n%s", diff)
	}
}

func printed(t *testing.T, p *types.Project) string {
	t.Helper()
	out, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
