package attribute

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/google/go-cmp/cmp"
)

// TestEachAttributeOfTheSchemaIsInTheTable fails when compose-go learns an attribute
// that nobody has decided about.
func TestEachAttributeOfTheSchemaIsInTheTable(t *testing.T) {
	for _, path := range schema.AttributePaths() {
		if !decided(strings.Split(string(path), ".")) {
			t.Errorf("%s is not in the table of table.go", path)
		}
	}
}

// decided says that path, or something above it that is not done, is in the table. A
// free key (the * of labels, say) belongs to its parent.
func decided(path []string) bool {
	n := attributeTree()
	for i, step := range path {
		next := n.children[step]
		if next == nil && step == "*" && n.row != nil {
			return true
		}
		if next == nil {
			// What services have in common with jobs and hooks is decided for services.
			return false
		}
		if n = next; n.row != nil && n.row.fate != Done {
			return true
		}
		if i == len(path)-1 {
			return n.row != nil || step == "*"
		}
	}
	return false
}

func TestTheTableNamesNothingThatTheSchemaDoesNotHave(t *testing.T) {
	var known []string
	for _, path := range schema.AttributePaths() {
		known = append(known, string(path))
	}
	seen := map[string]bool{}
	for _, r := range table() {
		for name := range strings.FieldsSeq(r.names) {
			path := strings.TrimPrefix(r.parent+"."+name, ".")
			below := func(k string) bool { return strings.HasPrefix(k, path+".") }
			if !slices.Contains(known, path) && (r.like == "" || !slices.ContainsFunc(known, below)) {
				t.Errorf("%s is not in the schema", path)
			}
			if seen[path] {
				t.Errorf("%s is in the table twice", path)
			}
			seen[path] = true
		}
	}
}

// TestTheDocsSayWhatTheTableSays compares docs/compose.md with the table; UPDATE=1 writes it.
func TestTheDocsSayWhatTheTableSays(t *testing.T) {
	const file = "../../docs/compose.md"
	want := attributeDocs()
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run UPDATE=1 go test ./project/attribute: want -, got +\n%s", diff)
	}
}

const intro = `# What tiffin does with a Compose file

Every attribute of the Compose specification is here. *done* means that tiffin carries it out. *warning* means that it is left
out, and that tiffin says so. *error* means that a project which needs it is refused. Nothing is ignored in silence.

This page is made from the table in ` + "`project/attribute/table.go`" + `: change it there, then run ` + "`UPDATE=1 go test ./project/attribute`" + `.
[build.md](build.md) tells more of builds.

`

func attributeDocs() string {
	var b strings.Builder
	b.WriteString(intro)
	titles := map[string]string{"": "Top of the file", "services.*": "Services"}
	var parents []string
	for _, r := range table() {
		if !slices.Contains(parents, r.parent) {
			parents = append(parents, r.parent)
		}
	}
	for _, parent := range parents {
		title := titles[parent]
		if title == "" {
			title = "`" + parent + "`"
		}
		fmt.Fprintf(&b, "## %s\n\n| attribute | | |\n|---|---|---|\n", title)
		for _, r := range table() {
			if r.parent != parent {
				continue
			}
			names := strings.Fields(r.names)
			remark := r.why
			if r.unless != "" {
				remark += " (`" + r.unless + "` is fine)"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(names, "` `"), r.fate, remark)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
