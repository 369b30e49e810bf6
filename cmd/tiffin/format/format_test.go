package format

import (
	"strings"
	"testing"
)

func TestHeadingsOf(t *testing.T) {
	for form, want := range map[string]string{
		"{{.Name}}\t{{.Status}}":       "NAME\tSTATUS",
		"{{.Name}}: {{json .Ports}}":   "NAME: PORTS",
		"{{upper .Name}} and the rest": "NAME and the rest",
		"{{.Name":                      "NAME",
		"plain":                        "plain",
	} {
		if got := headingsOf(form, nil); got != want {
			t.Errorf("%q: got %q, want %q", form, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	err := Table(&b, []string{"NAME", "STATUS"}, [][]string{{"a-long-name-of-a-container", "Up"}, {"b", "\x1b[2J"}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "NAME                         STATUS\n" +
		"a-long-name-of-a-container   Up\n" +
		"b                            \uFFFD[2J\n"
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTemplate(t *testing.T) {
	type row struct {
		Name  string
		Ports []int
	}
	rows := []row{{"a", []int{1, 2}}, {"b", nil}}
	for form, want := range map[string]string{
		"{{.Name}}":                      "a\nb\n",
		`{{.Name}}\t{{json .Ports}}`:     "a\t[1,2]\nb\tnull\n",
		"table {{.Name}}":                "NAME\na\nb\n",
		"{{range .Ports}}{{.}},{{end}}":  "1,2,\n\n",
		"{{upper .Name}}{{lower \"X\"}}": "Ax\nBx\n",
	} {
		var b strings.Builder
		if err := Template(&b, form, rows); err != nil || b.String() != want {
			t.Errorf("%q: got %q, %v", form, b.String(), err)
		}
	}
	for _, form := range []string{"{{.Name", "{{.NoSuchField}}"} {
		if err := Template(new(strings.Builder), form, rows); err == nil {
			t.Errorf("%q was taken", form)
		}
	}
}
