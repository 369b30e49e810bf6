package main

import (
	"slices"
	"testing"
)

func TestALineOfFilters(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want []string // none: it is not understood
	}{
		"labels":                 {"label=b=2&label=a=1", []string{"a=1", "b=2"}},
		"escaped":                {"label=a%3D1%262", []string{"a=1&2"}},
		"other filters are not":  {"label=a=1&name=x", []string{"a=1"}},
		"nothing":                {"", nil},
		"another filter alone":   {"name=x", nil},
		"an empty label":         {"label=&label=a=1", nil},
		"what cannot be escaped": {"label=%zz", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(c.line)
			if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
