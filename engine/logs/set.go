package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// logFiles lists the files of a log, oldest first.
func logFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find log: %w", err)
	}
	ages := map[string]int{}
	var out []string
	for _, e := range entries {
		if age, ok := ageOf(e.Name()); ok {
			path := filepath.Join(dir, e.Name())
			ages[path] = age
			out = append(out, path)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return ages[b] - ages[a] })
	return out, nil
}

// ageOf is the number behind the name: 0 for log, 2 for log.2.
func ageOf(name string) (age int, ok bool) {
	if name == "log" {
		return 0, true
	}
	text, ok := strings.CutPrefix(name, "log.")
	if !ok {
		return 0, false
	}
	age, err := strconv.Atoi(text)
	return age, err == nil && age > 0
}

// nextFile is the file after f, by what the files are, for their names change; "" when
// f is the newest. When f itself is gone it is the oldest that is left.
func nextFile(dir string, f *os.File) (string, error) {
	own, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("look at log: %w", err)
	}
	files, err := logFiles(dir)
	if err != nil || len(files) == 0 {
		return "", err
	}
	for i, path := range files {
		info, err := os.Stat(path)
		if err != nil || !os.SameFile(own, info) {
			continue
		}
		if i+1 < len(files) {
			return files[i+1], nil
		}
		return "", nil
	}
	return files[0], nil
}
