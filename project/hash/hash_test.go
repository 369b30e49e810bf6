package hash

import (
	"reflect"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// TestEachAttributeIsHashed fails when compose-go learns an attribute that the order does not have.
func TestEachAttributeIsHashed(t *testing.T) {
	known := map[string]bool{"Name": true, "CustomLabels": true} // not in docker compose's JSON either
	for _, name := range ordered {
		if known[name] {
			t.Errorf("%s is there twice", name)
		}
		known[name] = true
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[types.ServiceConfig]()) {
		if !f.Anonymous && !known[f.Name] {
			t.Errorf("%s: add it at the end of the order in hash.go", f.Name)
		}
	}
}
