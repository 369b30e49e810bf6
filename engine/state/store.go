package state

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Store is a file of records. All methods may be called by many at once.
type Store struct {
	db      *bbolt.DB
	problem error

	writing sync.Mutex // held by the one who commits
	mu      sync.Mutex
	queue   []*write // those who wait for a commit
	later   later
}

// Options say how a file is kept.
type Options struct {
	// Volatile leaves fsync out: for a file on tmpfs, which a crash of the machine
	// does not outlive anyway.
	Volatile bool
}

// ErrLocked says that another process has the file open.
var ErrLocked = errors.New("another engine has it")

const (
	recordsBucket = "records"
	damagedBucket = "damaged"
)

// Open opens the file, or makes it; its folder must be there. A file that is damaged is
// made anew from what can be read of it, see Damage.
//
// Errors: ErrLocked; os.ErrPermission when others than its owner could have written it.
func Open(path string, o Options) (*Store, error) {
	s := &Store{later: later{entries: map[name]entry{}, known: map[name][]byte{}}}
	var err error
	s.db, err = openFile(path, o)
	var broken *brokenError
	if errors.As(err, &broken) {
		s.problem = broken.problem
		if err = broken.rebuild(path); err == nil {
			s.db, err = openFile(path, o)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{recordsBucket, damagedBucket} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", path, errors.Join(err, s.db.Close()))
	}
	return s, nil
}

// Damage says what was wrong with the file when it was opened; nil: nothing. Records
// may be missing then, and the file as it was is beside it, with .damaged behind its name.
func (s *Store) Damage() error { return s.problem }

func openFile(path string, o Options) (*bbolt.DB, error) {
	return bbolt.Open(path, 0o600, &bbolt.Options{
		NoSync:       o.Volatile,
		NoGrowSync:   o.Volatile,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile:     openSafe,
	})
}

// openOwn opens a regular file that nobody but us can have written.
func openOwn(path string, flags int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	regular := st.Mode&unix.S_IFMT == unix.S_IFREG
	if !regular || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return nil, errors.Join(&os.PathError{Op: "trust", Path: path, Err: os.ErrPermission}, f.Close())
	}
	return f, nil
}

// Close writes what waits, and closes the file.
//
// Errors: those of PutLater that nobody was told of.
func (s *Store) Close() error {
	s.flush()
	s.mu.Lock()
	problem := s.laterProblem()
	s.mu.Unlock()
	return errors.Join(problem, s.db.Close())
}

// Put writes a record in place of the one with the same kind and key. When it
// returns, the record is on disk.
func (s *Store) Put(kind, key string, record any) error {
	return s.PutAll(kind, map[string]any{key: record})
}

// PutAll writes records by key: all of them or none.
func (s *Store) PutAll(kind string, records map[string]any) error {
	w := &write{}
	for key, record := range records {
		if err := checkNames(kind, key); err != nil {
			return err
		}
		value, err := encode(kind, key, record)
		if err != nil {
			return err
		}
		w.entries = append(w.entries, entry{recordsBucket, kind, key, value})
	}
	return s.commit(w)
}

// Delete removes records; one that is not there is no error.
func (s *Store) Delete(kind string, keys ...string) error {
	w := &write{}
	for _, key := range keys {
		if err := checkNames(kind, key); err != nil {
			return err
		}
		w.entries = append(w.entries, entry{part: recordsBucket, kind: kind, key: key})
	}
	return s.commit(w)
}

// checkNames refuses what bbolt would refuse in the middle of everybody's transaction.
func checkNames(kind, key string) error {
	if kind == "" || key == "" || len(kind) > bbolt.MaxKeySize || len(key) > bbolt.MaxKeySize {
		return fmt.Errorf("record %s %q: key and kind have 1 to %d bytes", kind, key, bbolt.MaxKeySize)
	}
	return nil
}
