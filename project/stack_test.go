package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tiffin/engine"
)

// TestStack turns each project under testdata/stack into a Stack. A case is a txtar
// archive: its comment begins with what it shows; lines such as "env NAME=value" set the
// options; the files are the project; those named as in results are what comes of it.
// UPDATE=1 writes these anew.
func TestStack(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, archive)
			if os.Getenv("UPDATE") == "1" {
				rewrite(t, path, archive, got)
				return
			}
			want := map[string]string{}
			for _, f := range archive.Files {
				if isResult(f.Name) {
					want[f.Name] = string(f.Data)
				}
			}
			if len(want) == 0 {
				t.Fatal("the case wants nothing: run with UPDATE=1 and read what it wrote")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}

var results = []string{"warnings", "error", "lists", "config", "stack"}

func isResult(name string) bool {
	return slices.Contains(results, name)
}

// run loads the project of a case. Its directory is called /project in what comes out.
func run(t *testing.T, archive *txtar.Archive) map[string]string {
	t.Helper()
	dir := unpack(t, archive)
	var warnings []string
	o, show := options(t, string(archive.Comment))
	o.WorkingDir = filepath.Join(dir, o.WorkingDir)
	o.Warn = func(text string) { warnings = append(warnings, text+"\n") }
	out := map[string]string{}
	result(t, o, show, out)
	if len(warnings) > 0 {
		out["warnings"] = strings.Join(warnings, "")
	}
	places := strings.NewReplacer(dir, "/project", filepath.Dir(dir), "/above")
	hash := regexp.MustCompile(`"Hash": "[0-9a-f]{64}"`) // depends on dir; hash_test.go has the values
	for name, text := range out {
		out[name] = hash.ReplaceAllString(places.Replace(text), `"Hash": "…"`)
	}
	return out
}

func result(t *testing.T, o Options, show string, out map[string]string) {
	t.Helper()
	what, text, err := answer(t, o, show)
	if err != nil {
		what, text = "error", err.Error()+"\n"
		if hint := engine.HintOf(err); hint != "" {
			text += "hint: " + hint + "\n"
		}
	}
	out[what] = text
}

// unpack writes the files of a case, and returns their directory.
func unpack(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	for _, f := range archive.Files {
		if isResult(f.Name) {
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// answer is what the case wants to see: the Stack, or what its line "show" says.
func answer(t *testing.T, o Options, show string) (what, text string, err error) {
	t.Helper()
	switch word, rest, _ := strings.Cut(show, " "); word {
	case "config":
		text, err := Config(t.Context(), o, configOptions(rest))
		return "config", string(text), err
	case "variables":
		list, err := Variables(t.Context(), o)
		for _, v := range list {
			text += fmt.Sprintf("%s required=%t default=%q alternate=%q\n", v.Name, v.Required, v.Default, v.Alternate)
		}
		return "lists", text, err
	case "names":
		n, err := NamesOnly(t.Context(), o)
		return "lists", fmt.Sprintf("%s %s %s\n", n.Project, n.WorkingDir, n.ConfigFiles), err
	}
	p, err := Load(t.Context(), o)
	if err != nil {
		return "", "", err
	}
	if show == "lists" {
		return "lists", lists(p), nil
	}
	if services, ok := strings.CutPrefix(show, "build"); ok {
		return "lists", "can be built\n", p.CheckBuild(strings.Fields(services)...)
	}
	stack, err := p.Stack()
	if err != nil {
		return "", "", err
	}
	out, err := json.MarshalIndent(stack, "", "  ")
	return "stack", string(out) + "\n", err
}

func configOptions(flags string) ConfigOptions {
	c := ConfigOptions{}
	for flag := range strings.FieldsSeq(flags) {
		switch flag {
		case "json", "toml":
			c.Format = flag
		case "no-interpolate":
			c.NoInterpolate = true
		case "no-normalize":
			c.NoNormalize = true
		case "no-path-resolution":
			c.NoPathResolution = true
		case "no-consistency":
			c.NoConsistency = true
		case "no-env-resolution":
			c.NoEnvResolution = true
		case "all":
			c.AllResources = true
		default:
			c.Services = append(c.Services, flag)
		}
	}
	return c
}

func lists(p *Project) string {
	return fmt.Sprintf("name %s\nservices %s\nnetworks %s\nvolumes %s\nimages %s\nprofiles %s\nenvironment %s\n",
		p.Name(), p.ServiceNames(), p.NetworkNames(), p.VolumeNames(), p.Images(), p.Profiles(), p.Environment())
}

// options reads the comment's lines that begin with env or args.
func options(t *testing.T, comment string) (o Options, show string) {
	t.Helper()
	_, lines, _ := strings.Cut(comment, "\n") // the first line says what the case shows
	for line := range strings.SplitSeq(lines, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "env":
			o.Environ = append(o.Environ, rest)
		case "cd":
			o.WorkingDir = rest
		case "stdin":
			o.Stdin = strings.NewReader(strings.ReplaceAll(rest, `\n`, "\n"))
		case "file":
			o.Files = append(o.Files, rest)
		case "profile":
			o.Profiles = append(o.Profiles, rest)
		case "service":
			o.Services = append(o.Services, rest)
		case "name":
			o.Name = rest
		case "dir":
			o.ProjectDir = rest
		case "env-file":
			o.EnvFiles = append(o.EnvFiles, rest)
		case "scale":
			service, n, _ := strings.Cut(rest, "=")
			replicas, err := strconv.Atoi(n)
			if err != nil {
				t.Fatal(err)
			}
			o.Scale = map[string]int{service: replicas}
		case "show":
			show = rest
		}
	}
	return o, show
}

func rewrite(t *testing.T, path string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	kept := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if !isResult(f.Name) {
			kept.Files = append(kept.Files, f)
		}
	}
	for _, name := range results {
		if text, ok := got[name]; ok {
			kept.Files = append(kept.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	if err := os.WriteFile(path, txtar.Format(kept), 0o644); err != nil {
		t.Fatal(err)
	}
}

// write makes a project directory with one Compose file.
func write(tb testing.TB, file string) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// isKind says that err is of that kind and of no other.
func isKind(err, kind error) bool {
	for _, k := range engine.Kinds() {
		if errors.Is(err, k) != (k == kind) { //nolint:errorlint // identity of sentinels
			return false
		}
	}
	return true
}
