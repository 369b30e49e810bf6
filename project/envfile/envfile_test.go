package envfile

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	for name, test := range map[string]struct {
		one, two, want, err string
	}{
		"a name at the very end is taken from the environment": {one: "A=1\nSHELL", want: "A=1 SHELL=sh"},
		"a name that is not set is left out":                   {one: "NOWHERE\nA=1", want: "A=1"},
		"a later file wins":                                    {one: "A=1\nB=1", two: "A=2", want: "A=2 B=1"},
		"a later file refers to an earlier one":                {one: "A=1", two: "B=$A$SHELL", want: "A=1 B=1sh"},
		"lines of another system":                              {one: "A=1\r\nB=2\r\n", want: "A=1 B=2"},
		"a value without a name":                               {one: "A=1\n\n =2\n", err: "one.env: line 3: a variable without a name"},
		"an exported value without a name":                     {one: "export =2", err: "line 1: a variable without a name"},
		"a quote that does not close":                          {one: "A=1\nB='x", err: "one.env: line 2: unterminated"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := []string{filepath.Join(dir, "one.env"), filepath.Join(dir, "two.env")}
			for i, text := range []string{test.one, test.two} {
				if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			vars, err := Files(map[string]string{"SHELL": "sh"}, files)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for pair := range strings.FieldsSeq(test.want) {
				key, value, _ := strings.Cut(pair, "=")
				want[key] = value
			}
			if !maps.Equal(want, vars) {
				t.Errorf("got %v, want %v", vars, want)
			}
		})
	}
}
