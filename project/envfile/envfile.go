// Package envfile reads the files that hold variables: .env and env_file.
//
// compose-go parses them. Here is what it does not do: the format raw, a last line without an end, and variables that
// have no name.
package envfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// maxLine bounds a line of a raw file; the files themselves are bounded by who opens them.
const maxLine = 4 << 20

// Register makes compose-go read the files that services name with what is here, once.
var Register = sync.OnceFunc(func() {
	dotenv.RegisterFormat("raw", readRaw)
	dotenv.RegisterFormat(dotenv.DotEnv, read)
})

// Files are the variables of some files, of which the later ones win. They may refer to each other and to those of
// current, which win over all of them when a value mentions one.
func Files(current map[string]string, files []string) (map[string]string, error) {
	out := map[string]string{}
	lookup := func(name string) (string, bool) {
		v, ok := current[name]
		return v, ok
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := read(bytes.NewReader(content), file, out, lookup); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// read adds the variables of one file to vars. lookup knows those that are set elsewhere.
func read(r io.Reader, name string, vars map[string]string, lookup func(string) (string, bool)) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	text := string(content)
	if last := text[strings.LastIndex(text, "\n")+1:]; !strings.ContainsAny(last, "=:") {
		text += "\n" // compose-go takes a name at the very end for a value
	}
	found, err := dotenv.ParseWithLookup(strings.NewReader(text), func(name string) (string, bool) {
		if v, ok := lookup(name); ok {
			return v, true
		}
		v, ok := vars[name]
		return v, ok
	})
	if err != nil {
		return fmt.Errorf("failed to read %s: %w", name, err)
	}
	for key, value := range found {
		if key == "" {
			return fmt.Errorf("failed to read %s: line %d: a variable without a name", name, nameless(text))
		}
		vars[key] = value
	}
	return nil
}

// nameless is the line that begins with the sign that comes after a name.
func nameless(text string) int {
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
		if strings.HasPrefix(line, "=") || strings.HasPrefix(line, ":") {
			return n + 1
		}
	}
	return 1
}

// Lines are the lines, from 1, on which a file gives variables their values; the last one counts. A line within a
// value of many that looks like one is taken for one.
func Lines(content []byte) map[string]int {
	out := map[string]int{}
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		line = strings.TrimSpace(strings.TrimPrefix(line, "\uFEFF"))
		line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
		if line == "" || line[0] == '#' {
			continue
		}
		if i := strings.IndexAny(line, "=:"); i >= 0 {
			line = line[:i]
		}
		if name := strings.TrimSpace(line); name != "" && !strings.ContainsAny(name, " \t") {
			out[name] = n
		}
	}
	return out
}

// readRaw reads KEY=value lines as they are, as docker run --env-file does.
func readRaw(r io.Reader, name string, vars map[string]string, lookup func(string) (string, bool)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimLeft(strings.TrimPrefix(lines.Text(), "\uFEFF"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if key == "" || strings.ContainsAny(key, " \t") {
			return fmt.Errorf("%s:%d: %q is no name of a variable", name, n, key)
		}
		if !ok {
			if value, ok = lookup(key); !ok {
				continue
			}
		}
		vars[key] = value
	}
	return lines.Err()
}
