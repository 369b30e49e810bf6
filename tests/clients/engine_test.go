package clients

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"tiffin/tests/harness"
	"tiffin/tests/images"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// engine is an engine that runs and has images of the test registry.
func engine(tb testing.TB, registry *images.Registry, names ...string) *harness.Tiffin {
	tb.Helper()
	e := harness.New(tb)
	e.Mirror(tb, registry)
	var services strings.Builder
	for i, name := range names {
		fmt.Fprintf(&services, "  s%d: {image: %q}\n", i, name)
	}
	e.Write(tb, "images/compose.yaml", "name: images\nservices:\n"+services.String())
	e.OK(tb, "--project-directory", "images", "pull", "-q")
	return e
}
