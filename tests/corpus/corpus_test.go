package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/plan"
	"tiffin/project"
)

// minimum keeps the corpus from being emptied by a pattern that no longer fits.
const minimum = 24

// projects are the folders of the corpus.
func projects(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	if len(out) < minimum {
		t.Fatalf("%d projects, at least %d", len(out), minimum)
	}
	return out
}

// options are those of somebody in the folder of the project.
func options(t *testing.T, name string, warn func(string)) project.Options {
	t.Helper()
	dir, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return project.Options{
		WorkingDir: dir, Environ: []string{"HOME=/home/me", "FROM_SHELL=shell"},
		Warn: warn,
	}
}

func TestConfigAndPlanOfEachProject(t *testing.T) {
	for _, name := range projects(t) {
		t.Run(name, func(t *testing.T) {
			config, err := project.Config(t.Context(), options(t, name, nil), project.ConfigOptions{})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, "config", string(config))
			golden(t, name, "plan", planOf(t, name))
			explained, err := project.Explain(t.Context(), options(t, name, nil), project.ConfigOptions{})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, "explain", string(explained))
			o := options(t, name, nil)
			o.Files, o.Stdin, o.ProjectDir = []string{"-"}, strings.NewReader(string(explained)), o.WorkingDir
			again, err := project.Config(t.Context(), o, project.ConfigOptions{})
			if _, ok := once()[name]; !ok && (err != nil || string(again) != string(config)) {
				t.Errorf("config --explain is another Compose file: %v\n%s", err, cmp.Diff(string(config), string(again)))
			}
		})
	}
}

// planOf is what is warned of, and the plan of up on a host that has nothing but what is external; or why there is none.
func planOf(t *testing.T, name string) string {
	t.Helper()
	var said []string
	p, err := project.Load(t.Context(), options(t, name, func(text string) { said = append(said, "warning: "+text+"\n") }))
	if err != nil {
		t.Fatal(err)
	}
	stack, err := p.Stack()
	slices.Sort(said) // compose-go walks maps
	warnings := strings.Join(said, "")
	if err != nil {
		return fmt.Sprintf("%serror: %v\n", warnings, err)
	}
	steps, err := plan.Up(&call.UpRequest{Stack: *stack}, emptyHost(stack))
	if err != nil {
		t.Fatal(err)
	}
	return warnings + steps.String()
}

func emptyHost(stack *engine.Stack) *plan.Observed {
	obs := &plan.Observed{Networks: map[string]engine.Network{}, Volumes: map[string]engine.Volume{}, Images: map[string]string{}}
	for _, n := range stack.Networks {
		if n.External {
			obs.Networks[n.Name] = engine.Network{ID: "network-" + n.Name, Spec: n}
		}
	}
	for _, v := range stack.Volumes {
		if v.External {
			obs.Volumes[v.Name] = engine.Volume{Name: v.Name, Spec: v}
		}
	}
	return obs
}

// golden compares with a file beside the project, in which the folder of the corpus is /corpus.
func golden(t *testing.T, name, what, got string) {
	t.Helper()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(got) {
		if value, comment, ok := strings.Cut(line, " # "); ok && strings.Contains(value, here) {
			line = strings.TrimRight(value, " ") + "  # " + comment // its column depends on where the corpus is
		}
		lines = append(lines, strings.ReplaceAll(line, here, "/corpus"))
	}
	got = strings.Join(lines, "")
	file := filepath.Join(name, what+".golden")
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (UPDATE=1 writes it): want -, got +\n%s", file, diff)
	}
}

// once are projects whose config cannot be given to config again, or says something else then. It is so with docker
// compose, too: what is not enabled is left out, though others mention it; and dollars are doubled in keys, in which no
// variables are looked for.
func once() map[string]string {
	return map[string]string{
		"builds":       `service "app" is built with undefined service "base"`,
		"healthchecks": `service "e" depends on undefined service "optional"`,
		"env-heavy":    "",
	}
}

// TestConfigIsAFixedPoint gives what config printed to config again: it is a Compose file, and says the same.
func TestConfigIsAFixedPoint(t *testing.T) {
	for _, name := range projects(t) {
		t.Run(name, func(t *testing.T) {
			o := options(t, name, nil)
			first, err := project.Config(t.Context(), o, project.ConfigOptions{})
			if err != nil {
				t.Fatal(err)
			}
			o.Files, o.Stdin, o.ProjectDir = []string{"-"}, strings.NewReader(string(first)), o.WorkingDir
			second, err := project.Config(t.Context(), o, project.ConfigOptions{})
			if reason, ok := once()[name]; ok {
				if reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
					t.Errorf("got %v, want %q", err, reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(first), string(second)); diff != "" {
				t.Errorf("once -, twice +\n%s", diff)
			}
		})
	}
}
