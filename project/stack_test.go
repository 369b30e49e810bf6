package project

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tiffin/engine"
)

// TestStack turns each project under testdata/stack into a Stack. A case is a txtar
// archive: its comment begins with what it shows; "env NAME=value", "args -f x" and the
// like set the options; the files are the project; the file named "stack", "error" or
// "warnings" is what comes of it. UPDATE=1 writes these anew.
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

func isResult(name string) bool {
	return name == "stack" || name == "error" || name == "warnings" || name == "config"
}

// run loads the project of a case. Its directory is called /project in what comes out.
func run(t *testing.T, archive *txtar.Archive) map[string]string {
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
	var warnings []string
	o := options(t, string(archive.Comment))
	o.WorkingDir = filepath.Join(dir, o.WorkingDir)
	o.Warn = func(text string) { warnings = append(warnings, text+"\n") }
	out := map[string]string{}
	result(t, o, out)
	if len(warnings) > 0 {
		out["warnings"] = strings.Join(warnings, "")
	}
	hash := regexp.MustCompile(`"Hash": "[0-9a-f]{64}"`) // depends on dir; hash_test.go has the values
	for name, text := range out {
		out[name] = hash.ReplaceAllString(strings.ReplaceAll(text, dir, "/project"), `"Hash": "…"`)
	}
	return out
}

func result(t *testing.T, o Options, out map[string]string) {
	t.Helper()
	p, err := Load(t.Context(), o)
	var stack *engine.Stack
	if err == nil {
		stack, err = p.Stack()
	}
	if err != nil {
		out["error"] = err.Error() + "\n"
		if hint := engine.HintOf(err); hint != "" {
			out["error"] += "hint: " + hint + "\n"
		}
		return
	}
	text, err := json.MarshalIndent(stack, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	out["stack"] = string(text) + "\n"
}

// options reads the comment's lines that begin with env or args.
func options(t *testing.T, comment string) Options {
	t.Helper()
	var o Options
	for line := range strings.SplitSeq(comment, "\n") {
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
		}
	}
	return o
}

func rewrite(t *testing.T, path string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	kept := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if !isResult(f.Name) {
			kept.Files = append(kept.Files, f)
		}
	}
	for _, name := range []string{"warnings", "error", "config", "stack"} {
		if text, ok := got[name]; ok {
			kept.Files = append(kept.Files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	if err := os.WriteFile(path, txtar.Format(kept), 0o644); err != nil {
		t.Fatal(err)
	}
}
