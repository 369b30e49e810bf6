package caller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEngineEnvironment(t *testing.T) {
	got := engineEnvironment([]string{"PATH=/bin", "PASSWORD=secret", "https_proxy=x", "TIFFIN_DATA_ROOT=relative"})
	if d := cmp.Diff([]string{"PATH=/bin", "https_proxy=x"}, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}
