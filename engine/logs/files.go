package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// baseName is the file that is written to; the older ones have a number behind it.
const baseName = "log"

func fileName(dir string, n int) string {
	if n == 0 {
		return filepath.Join(dir, baseName)
	}
	return filepath.Join(dir, baseName+"."+strconv.Itoa(n))
}

// openFiles opens the files of a folder, the oldest first. They may be renamed
// meanwhile, always to a higher number: so they are opened from the lowest one up,
// some perhaps twice, but none is missed. One that is newer than those opened before it,
// because there were several renames in between, is left out: openNewer finds it.
func openFiles(dir string) ([]*os.File, error) {
	highest, err := highestNumber(dir)
	if err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	var files []*os.File
	var met []os.FileInfo // of files
	for n := 0; ; n++ {
		f, err := os.Open(fileName(dir, n))
		switch {
		case errors.Is(err, fs.ErrNotExist) && n > highest:
			slices.Reverse(files)
			return files, nil
		case errors.Is(err, fs.ErrNotExist):
			continue // within a rotation a number may be free
		case err != nil:
			closeAll(files)
			return nil, fmt.Errorf("open logs: %w", err)
		}
		info, err := f.Stat()
		if err != nil {
			closeAll(append(files, f))
			return nil, fmt.Errorf("open logs: %w", err)
		}
		if kept, again := upTo(met, info, os.SameFile); again {
			closeAll(append(files[kept:], f))
			files, met = files[:kept], met[:kept]
		} else {
			files, met = append(files, f), append(met, info)
		}
	}
}

// upTo says whether what was met is in the list, and how many of the list come up to it.
// Those behind it were met between two meetings of it, and so are newer than it is, or will be
// met once more.
func upTo[T any](list []T, met T, same func(a, b T) bool) (kept int, again bool) {
	i := slices.IndexFunc(list, func(other T) bool { return same(other, met) })
	return i + 1, i >= 0
}

// highestNumber is that of the oldest file; -1 if there is none.
func highestNumber(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	highest := -1
	for _, e := range entries {
		if e.Name() == baseName {
			highest = max(highest, 0)
		}
		if digits, ok := strings.CutPrefix(e.Name(), baseName+"."); ok {
			if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
				highest = max(highest, int(n))
			}
		}
	}
	return highest, nil
}

func sameFile(a, b *os.File) (bool, error) {
	infoA, errA := a.Stat()
	infoB, errB := b.Stat()
	if err := errors.Join(errA, errB); err != nil {
		return false, err
	}
	return os.SameFile(infoA, infoB), nil
}

// openNewer opens the files that are newer than the one that is held: at most one. If
// it is gone, that are all there are.
func openNewer(dir string, held []*os.File) ([]*os.File, error) {
	files, err := openFiles(dir)
	if err != nil || len(held) == 0 {
		return files, err
	}
	for i, f := range files {
		same, err := sameFile(held[0], f)
		if err != nil {
			closeAll(files)
			return nil, err
		}
		if same {
			closeAll(files[:i+1])
			return files[i+1:], nil
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // it was only read
	}
}

func size(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
