package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// brokenError is that bbolt must not have a file. It holds the file, open and locked, and
// the records that can still be read in it.
type brokenError struct {
	file    *os.File
	entries []entry
	problem error
}

func (b *brokenError) Error() string { return b.problem.Error() }
func (b *brokenError) Unwrap() error { return b.problem }

// openSafe opens and locks a file for bbolt, which locks it once more to no effect.
//
// Errors: ErrLocked; a brokenError.
func openSafe(path string, flags int, mode os.FileMode) (*os.File, error) {
	f, err := openOwn(path, flags, mode)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if len(content) == 0 {
		return f, nil // a new one
	}
	if entries, problem := survey(content); problem != nil {
		return nil, &brokenError{f, entries, problem}
	}
	return f, nil
}

// rebuild puts a new file with all that could be read in the place of a broken one,
// which is kept as path.damaged.
func (b *brokenError) rebuild(path string) error {
	err := b.copyTo(path + ".new")
	if err == nil {
		err = os.Remove(path + ".damaged")
	}
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = os.Link(path, path+".damaged")
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err = errors.Join(err, b.file.Close()); err != nil {
		return fmt.Errorf("%w; make it anew: %w", b.problem, err)
	}
	return nil
}

func (b *brokenError) copyTo(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{OpenFile: openOwn})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, e := range b.entries {
			if err := e.put(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}

// put writes an entry into whatever part of the file it is from.
func (e entry) put(tx *bbolt.Tx) error {
	part, err := tx.CreateBucketIfNotExists([]byte(e.part))
	if err != nil {
		return err
	}
	bucket, err := part.CreateBucketIfNotExists([]byte(e.kind))
	if err != nil {
		return err
	}
	return bucket.Put([]byte(e.key), e.value)
}
