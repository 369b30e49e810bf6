package corpus

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"go.yaml.in/yaml/v4"
)

// TestEachAttributeOfTheSchemaIsUsed fails when compose-go learns an attribute that no file of the corpus has. What is
// not looked at: the names of things, and free keys.
func TestEachAttributeOfTheSchemaIsUsed(t *testing.T) {
	root := &attribute{}
	var all []string
	for _, path := range schema.AttributePaths() {
		all = append(all, string(path))
		root.add(strings.Split(string(path), "."))
	}
	users := map[string]string{}
	for _, file := range composeFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewDecoder(strings.NewReader(string(text)))
		for {
			var doc yaml.Node
			if decoder.Decode(&doc) != nil {
				break
			}
			root.walk(doc.Content[0], "", func(path string) { users[path] = file })
		}
	}
	for _, path := range all {
		if _, ok := users[path]; !ok && !strings.HasSuffix(path, "*") {
			t.Errorf("%s: no file of the corpus has it", path)
		}
	}
}

// composeFiles are the YAML files below the projects.
func composeFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// attribute is the schema as a tree, by the steps of paths.
type attribute map[string]*attribute

func (a attribute) add(path []string) {
	if len(path) == 0 {
		return
	}
	if a[path[0]] == nil {
		a[path[0]] = &attribute{}
	}
	a[path[0]].add(path[1:])
}

// below is the attribute that a key, or [], leads to, and how the schema calls the step.
func (a attribute) below(key string) (step string, next *attribute) {
	if next = a[key]; next != nil {
		return key, next
	}
	return "*", a["*"]
}

// walk tells of each attribute that is given a value, also by anchors and merges.
func (a attribute) walk(node *yaml.Node, path string, used func(path string)) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.SequenceNode {
		if step, next := a.below("[]"); next != nil && step == "[]" {
			for _, item := range node.Content {
				next.walk(item, join(path, "[]"), used)
			}
		}
		return
	}
	if node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			a.merge(value, path, used)
		} else if step, next := a.below(key.Value); next != nil {
			used(join(path, step))
			next.walk(value, join(path, step), used)
		}
	}
}

func (a attribute) merge(value *yaml.Node, path string, used func(path string)) {
	if value.Kind != yaml.SequenceNode {
		a.walk(value, path, used)
		return
	}
	for _, one := range value.Content {
		a.walk(one, path, used)
	}
}

func join(path, step string) string { return strings.TrimPrefix(path+"."+step, ".") }
