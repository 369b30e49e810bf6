package e2e

import (
	"os"
	"testing"

	"tiffin/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
