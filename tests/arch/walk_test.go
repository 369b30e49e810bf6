package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// file is a source file of the product.
type file struct {
	path  string // below the root of the repository
	pkg   string // its folder, below the root
	lines int
	ast   *ast.File
}

func parse(path string, src []byte) (file, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
	if err != nil {
		return file{}, err
	}
	return file{path, filepath.ToSlash(filepath.Dir(path)), bytes.Count(src, []byte("\n")), f}, nil
}

// productFiles are all the Go files that end up in a binary: no tests, no samples.
func productFiles(t *testing.T) []file {
	t.Helper()
	root := os.DirFS(filepath.Join("..", ".."))
	var files []file
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && path != "."
			if hidden || slices.Contains([]string{"tests", "samples", "bin"}, path) || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		f, err := parse(path, src)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go file found: is this the repository?")
	}
	return files
}
