package state

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// entry is a record as it is in the file; to be written without a value, it is removed.
type entry struct {
	part      string // recordsBucket or damagedBucket
	kind, key string
	value     []byte
}

// write is what one caller wants changed: done together or not at all.
type write struct {
	entries []entry
	// done and err belong to the holder of Store.writing.
	done bool
	err  error
}

// commit waits until w is on disk. Those who come while somebody writes queue up,
// and the first of them to go on writes for all. (bbolt's Batch shares an fsync as
// well, but has a lone writer wait 10 ms for others.)
func (s *Store) commit(w *write) error {
	s.mu.Lock()
	s.queue = append(s.queue, w)
	s.mu.Unlock()
	return s.finish(w)
}

// finish waits until w, which is in the queue, is on disk.
func (s *Store) finish(w *write) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if w.done {
		return w.err
	}
	s.mu.Lock()
	group := s.queue
	s.queue = nil
	s.mu.Unlock()

	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, w := range group {
			if err := w.apply(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("write state: %w", err)
	}
	for _, w := range group {
		w.done, w.err = true, err
	}
	return err
}

func (w *write) apply(tx *bbolt.Tx) error {
	for _, e := range w.entries {
		bucket, err := tx.Bucket([]byte(recordsBucket)).CreateBucketIfNotExists([]byte(e.kind))
		if err != nil {
			return err
		}
		if e.value == nil {
			err = bucket.Delete([]byte(e.key))
		} else {
			err = bucket.Put([]byte(e.key), e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
