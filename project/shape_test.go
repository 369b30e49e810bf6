package project

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// oddValues stand where something else is expected.
var oddValues = []string{
	"null", "1", "-1", "1.5", "true", "text", `""`, "[]", "{}", "[null]", "[1, text, {a: b}]", "{a: null}", "{a: [b]}",
	"{name: x, source: y, target: z, path: p}", "$UNSET", "!reset null", "!override [x]", "2001-01-01",
}

// TestAnyValueAnywhere puts odd values in the place of each value of a project that
// has most attributes. Each has to end in an error with a place, or in a Stack; never in
// a panic of compose-go, which expects that its schema has been asked.
func TestAnyValueAnywhere(t *testing.T) {
	for _, file := range []string{"testdata/hash/compose.yaml", "testdata/corpus/monorepo-builds.yaml"} {
		t.Run(filepath.Base(file), func(t *testing.T) { anyValueAnywhere(t, file) })
	}
}

func anyValueAnywhere(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	every := 29 // of the thousands of combinations; all with SHAPES=all
	if os.Getenv("SHAPES") == "all" {
		every = 1
	}
	n := 0
	for i := range placesOf(t, text) {
		for _, odd := range oddValues {
			if n++; n%every != 0 {
				continue
			}
			var doc yaml.Node
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			where := replace(t, &doc, i, odd)
			out, err := yaml.Marshal(&doc)
			if err != nil {
				continue
			}
			o := Options{WorkingDir: dir, Files: []string{"-"}, Stdin: strings.NewReader(string(out)), Profiles: []string{"*"}}
			p, err := Load(t.Context(), o)
			if err == nil {
				_, err = p.Stack()
			}
			if err != nil && !strings.HasPrefix(err.Error(), "(standard input):") {
				t.Errorf("%s = %s: an error without a place: %v", where, odd, err)
			}
		}
	}
}

// places are the values of a document, keys left out.
func placesOf(t *testing.T, text []byte) []*yaml.Node {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return values(doc.Content[0])
}

func values(n *yaml.Node) []*yaml.Node {
	out := []*yaml.Node{n}
	step, from := 1, 0
	if n.Kind == yaml.MappingNode {
		step, from = 2, 1
	}
	for i := from; i < len(n.Content); i += step {
		out = append(out, values(n.Content[i])...)
	}
	return out
}

// replace changes the value with that index, and says which line it was in.
func replace(t *testing.T, doc *yaml.Node, index int, odd string) string {
	t.Helper()
	var other yaml.Node
	if err := yaml.Unmarshal([]byte(odd), &other); err != nil {
		t.Fatal(err)
	}
	n := values(doc.Content[0])[index]
	where := "line " + strconv.Itoa(n.Line)
	*n = *other.Content[0]
	return where
}
