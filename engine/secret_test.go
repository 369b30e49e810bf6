package engine_test

import (
	"testing"

	"tiffin/engine"
)

func TestFindSecret(t *testing.T) {
	t.Parallel()
	list := []engine.Secret{{ID: "ab1", Name: "one"}, {ID: "ab2", Name: "two"}, {ID: "c3", Name: "ab1"}}
	for ref, want := range map[string]string{"one": "one", "two": "two", "ab2": "two", "c": "ab1", "ab": "", "d": "", "": ""} {
		got, err := engine.FindSecret(list, ref)
		if got.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", ref, got.Name, err)
		}
	}
}
