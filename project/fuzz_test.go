package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad wants an answer to any file, soon, and no panic: neither of ours nor of
// compose-go, which panics on shapes that it does not expect.
func FuzzLoad(f *testing.F) {
	for _, file := range corpus(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	cases, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			t.Skip()
		}
		start := time.Now()
		p, err := Load(t.Context(), Options{WorkingDir: t.TempDir(), Files: []string{"-"}, Stdin: strings.NewReader(text), Name: "p"})
		if err == nil {
			_, err = p.Stack()
		}
		if err != nil && strings.Contains(err.Error(), "of a shape that cannot be read") {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %s", took)
		}
	})
}
