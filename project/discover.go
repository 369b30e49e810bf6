package project

import (
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

// discover looks for a Compose file and its override in dir, then in the directories above it.
func discover(dir string, warn func(string)) []string {
	for {
		if files := present(dir, cli.DefaultFileNames); len(files) > 0 {
			return append(
				first(files, "config", warn),
				first(present(dir, cli.DefaultOverrideFileNames), "override", warn)...)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func present(dir string, names []string) []string {
	var out []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		if isFile(path) {
			out = append(out, path)
		}
	}
	return out
}

// first picks one of the files, and says so when there are more.
func first(files []string, what string, warn func(string)) []string {
	if len(files) < 2 {
		return files
	}
	warn("Found multiple " + what + " files with supported names: " + strings.Join(files, ", "))
	warn("Using " + files[0])
	return files[:1]
}
