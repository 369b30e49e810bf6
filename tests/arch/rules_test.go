package arch

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "tiffin/"

// others are the programs that would do the work in our place.
var others = []string{
	"buildctl", "buildkitd", "containerd", "crun", "ctr", "docker", "dockerd", "ip", "ip6tables", "iptables",
	"nerdctl", "nft", "podman", "runc", "skopeo",
}

func forbiddenImports(f file, allowed []string) []string {
	var complaints []string
	for _, imp := range f.ast.Imports {
		to, ours := strings.CutPrefix(text(imp.Path), module)
		if ours && !slices.Contains(allowed, to) {
			complaints = append(complaints, f.pkg+" may not import "+to)
		}
	}
	return complaints
}

func initFunctions(f file) []string {
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			return []string{"no init functions: every command pays for them, and the wiring is nowhere to be read"}
		}
	}
	return nil
}

// forbiddenPrograms finds the names of other engines and of network tools among the arguments of os/exec.
func forbiddenPrograms(f file) []string {
	exec := localName(f, "os/exec")
	if exec == "" {
		return nil
	}
	var complaints []string
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fn, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := fn.X.(*ast.Ident); !ok || x.Name != exec {
			return true
		}
		for _, arg := range call.Args {
			lit, ok := arg.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			words := strings.Fields(text(lit))
			if len(words) > 0 && slices.Contains(others, path.Base(words[0])) {
				complaints = append(complaints, "the product may not run "+words[0])
			}
		}
		return true
	})
	return complaints
}

// localName is what the file calls an imported package; empty when it does not import it.
func localName(f file, importPath string) string {
	for _, imp := range f.ast.Imports {
		if text(imp.Path) != importPath {
			continue
		}
		if imp.Name != nil {
			return imp.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

func tooLong(f file, budget int) []string {
	if f.lines <= budget {
		return nil
	}
	return []string{fmt.Sprintf("%d lines, at most %d: split it", f.lines, budget)}
}

// packageDoc wants one package comment whose first sentence fits in 80 characters and begins with the name.
func packageDoc(files []file) string {
	var comment string
	for _, f := range files {
		text := f.ast.Doc.Text() // directives such as nolint are no text
		if text != "" && comment != "" {
			return "two package comments"
		}
		comment += text
	}
	if comment == "" {
		return "no package comment: what is this room?"
	}
	name := files[0].ast.Name.Name
	begin := "Package " + name + " "
	if name == "main" {
		begin = "Command " + path.Base(files[0].pkg) + " "
	}
	first := new(doc.Package).Synopsis(comment)
	if !strings.HasPrefix(first, begin) {
		return fmt.Sprintf("the package comment begins %q, not %q", first, begin+"…")
	}
	if n := len([]rune(first)); n > 80 {
		return fmt.Sprintf("the first sentence of the package comment has %d characters, at most 80: %s", n, first)
	}
	return ""
}

func text(lit *ast.BasicLit) string {
	s, _ := strconv.Unquote(lit.Value) // the parser has checked it
	return s
}

func TestRules(t *testing.T) {
	imports := func(f file) []string { return forbiddenImports(f, []string{"engine"}) }
	cases := map[string]struct {
		rule func(file) []string
		src  string
		want []string
	}{
		"an import on the map passes": {
			imports, "package a\nimport \"tiffin/engine\"", nil,
		},
		"other people's packages are no business of the map": {
			imports, "package a\nimport \"github.com/tiffin/engine\"", nil,
		},
		"an import that is not on the map is named": {
			imports, "package a\nimport \"tiffin/dns\"", []string{"engine/a may not import dns"},
		},
		"a child of an allowed package is another package": {
			imports, "package a\nimport \"tiffin/engine/api\"", []string{"engine/a may not import engine/api"},
		},
		"an init function is refused": {
			initFunctions, "package a\nfunc init() {}",
			[]string{"no init functions: every command pays for them, and the wiring is nowhere to be read"},
		},
		"a method may be called init": {
			initFunctions, "package a\nfunc (t T) init() {}", nil,
		},
		"running a network tool is refused": {
			forbiddenPrograms, "package a\nimport \"os/exec\"\nvar _ = exec.Command(\"/usr/sbin/nft\", \"-f\")",
			[]string{"the product may not run /usr/sbin/nft"},
		},
		"under another name too": {
			forbiddenPrograms, "package a\nimport run \"os/exec\"\nvar _, _ = run.LookPath(\"docker\")",
			[]string{"the product may not run docker"},
		},
		"and through a shell": {
			forbiddenPrograms, "package a\nimport \"os/exec\"\nvar _ = exec.Command(\"sh\", \"-c\", \"ip link add\")",
			[]string{"the product may not run ip"},
		},
		"a credential helper may run": {
			forbiddenPrograms, "package a\nimport \"os/exec\"\nvar _ = exec.Command(\"docker-credential-pass\")", nil,
		},
		"a word that is no program may be said": {
			forbiddenPrograms, "package a\nimport \"os/exec\"\nvar _ = exec.ErrNotFound\nvar s = say(\"docker\")", nil,
		},
		"a file within its budget passes": {
			func(f file) []string { return tooLong(f, 2) }, "package a\n\n", nil,
		},
		"a file over its budget is refused": {
			func(f file) []string { return tooLong(f, 2) }, "package a\n\n\n", []string{"3 lines, at most 2: split it"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := parse("engine/a/a.go", []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.rule(f)); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}

func TestPackageDoc(t *testing.T) {
	cases := map[string]struct {
		path    string
		sources []string
		want    string
	}{
		"a sentence that names the package": {
			"a/a.go", []string{"// Package a is a room.\npackage a", "package a"}, "",
		},
		"a command is named by its folder": {
			"cmd/b/main.go", []string{"// Command b runs.\npackage main"}, "",
		},
		"none": {
			"a/a.go", []string{"package a"}, "no package comment: what is this room?",
		},
		"two": {
			"a/a.go", []string{"// Package a is.\npackage a", "// Package a was.\npackage a"}, "two package comments",
		},
		"a directive is no comment": {
			"a/a.go", []string{"// Package a is.\npackage a", "//nolint:gosec // why\npackage a"}, "",
		},
		"another beginning": {
			"a/a.go",
			[]string{"// This is a room.\npackage a"},
			`the package comment begins "This is a room.", not "Package a …"`,
		},
		"too long": {
			"a/a.go",
			[]string{"// Package a " + strings.Repeat("x", 70) + ".\npackage a"},
			"the first sentence of the package comment has 81 characters, at most 80: Package a " +
				strings.Repeat("x", 70) + ".",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var files []file
			for _, src := range c.sources {
				f, err := parse(c.path, []byte(src))
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, f)
			}
			if got := packageDoc(files); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
