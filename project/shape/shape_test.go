package shape

import "testing"

// BenchmarkDocument measures what the first Load of a process pays besides.
func BenchmarkDocument(b *testing.B) {
	for b.Loop() {
		compileDocument()
	}
}

func TestAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		want, kind Kind
		text       string
		ok         bool
	}{
		"what is wanted":                       {Bool | Int, Int, "", true},
		"a number that a variable gave":        {Int, Text, "12", true},
		"a truth value that a variable gave":   {Bool, Text, "Yes", true},
		"text for a number":                    {Int | Float, Text, "twelve", false},
		"a number for text":                    {Text, Int, "", false},
		"a date where any scalar will do":      {Bool | Int | Float | Text, Date, "", true},
		"a date for text that is nothing else": {Text, Date, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.want.Accepts(c.kind, c.text); got != c.ok {
				t.Errorf("%s for %s: %v, want %v", c.kind, c.want, got, c.ok)
			}
		})
	}
}
