package project

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiffin/engine"
)

// TestLimits gives each limit a file beyond it: an error that names the limit, at once.
func TestLimits(t *testing.T) {
	cases := map[string]struct{ file, want string }{
		"a file of more than 4 MiB": {
			"services: {a: {image: x}}\n" + strings.Repeat("# filler\n", 500_000),
			"compose.yaml is larger than 4 MiB (4194305 bytes or more)",
		},
		"lists nested 9000 deep": {
			"x-deep: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
			"values are nested deeper than 64",
		},
		"a nesting that the parser does not follow": {
			"x-deep: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
			"this is not YAML: exceeded max depth of 10000",
		},
		"mappings nested 65 deep": {
			"x-deep: " + strings.Repeat("{a: ", 65) + strings.Repeat("}", 65),
			"values are nested deeper than 64",
		},
		"aliases that multiply": {
			bomb(), "more than 200000 values, aliases followed",
		},
		"an alias in its own anchor": {
			"x-a: &a [*a]", "the alias *a stands within what it refers to",
		},
		"variables nested 17 deep": {
			"services: {a: {image: \"" + strings.Repeat("${A:-", 17) + strings.Repeat("}", 17) + "\"}}",
			"services.a.image: variables are nested deeper than 16",
		},
		"a range of 4097 ports": {
			"services: {a: {image: x, ports: [\"1-4097:1-4097\"]}}",
			"services.a.ports.0: 1-4097 are more than 4096 ports",
		},
		"a range of 4097 ports in the long form": {
			"services: {a: {image: x, ports: [{target: 1, published: 1-4097}]}}",
			"services.a.ports.0.published: 1-4097 are more than 4096 ports",
		},
		"2001 services": {
			manyServices(2001), "the project has 2001 services, more than 2000",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := write(t, c.file)
			start := time.Now()
			_, err := Load(t.Context(), Options{WorkingDir: dir, Name: "p"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want …%s", err, c.want)
			}
			// Far above what it takes: this is about seconds and minutes.
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestWithinTheLimits(t *testing.T) {
	cases := map[string]string{
		"4096 ports":              `services: {a: {image: x, ports: ["1-4096:1-4096"]}}`,
		"values nested 60 deep":   "x-deep: " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\nservices: {a: {image: x}}",
		"variables 16 deep":       "services: {a: {image: \"" + strings.Repeat("${A:-", 16) + "x" + strings.Repeat("}", 16) + "\"}}",
		"an alias used 100 times": "x-a: &a {A: b}\nservices:\n" + aliased(100),
	}
	for name, file := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Load(t.Context(), Options{WorkingDir: write(t, file), Name: "p"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Stack(); err != nil {
				t.Error(err)
			}
		})
	}
}

// bomb is 12 lists, each with ten times the one before.
func bomb() string {
	var b strings.Builder
	b.WriteString("x-0: &a0 [x]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "x-%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 10))
	}
	return b.String()
}

func aliased(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {image: x, environment: *a}\n", i)
	}
	return b.String()
}

func TestManyFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	for i := range maxSources + 1 {
		text := fmt.Sprintf("include: [f%d.yaml]\nservices: {s%d: {image: x}}\n", i+1, i)
		name := fmt.Sprintf("f%d.yaml", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Load(t.Context(), Options{WorkingDir: dir, Files: []string{"f0.yaml"}})
	if err == nil || !strings.Contains(err.Error(), "the project has more than 500 files") {
		t.Errorf("got %v", err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	dir := write(t, manyServices(2000))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Load(ctx, Options{WorkingDir: dir, Name: "p"})
	if err == nil {
		t.Fatal("loaded")
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s: %v", took, err)
	}
}

func TestKindsOfError(t *testing.T) {
	cases := map[string]struct {
		file string
		want error
	}{
		"an unknown key":       {"services: {a: {imag: x}}", engine.ErrInvalid},
		"not YAML":             {"services: [", engine.ErrInvalid},
		"an undefined network": {"services: {a: {image: x, networks: [b]}}", engine.ErrInvalid},
		"what tiffin has not":  {"services: {a: {image: x, runtime: kata}}", engine.ErrUnsupported},
		"a build on a network": {"services: {a: {build: {context: ., network: b}}}", engine.ErrUnsupported},
		"a remote include":     {"include: [\"oci://x/y\"]", engine.ErrUnsupported},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Load(t.Context(), Options{WorkingDir: write(t, c.file), Name: "p"})
			if err == nil {
				_, err = p.Stack()
			}
			if err == nil {
				err = p.CheckBuild()
			}
			if !isKind(err, c.want) {
				t.Errorf("got %v, want kind %v", err, c.want)
			}
		})
	}
	if _, err := Load(t.Context(), Options{WorkingDir: t.TempDir()}); !isKind(err, engine.ErrNotFound) {
		t.Errorf("no file: got %v", err)
	}
}
