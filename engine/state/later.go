package state

import (
	"bytes"
	"errors"
	"time"
)

// laterDelay is how long a record of PutLater may wait for others: one fsync then does
// for all that a command has changed.
const laterDelay = 100 * time.Millisecond

// later are the records that will be written soon.
type later struct {
	timer   *time.Timer // nil: nothing waits
	entries map[name]entry
	// known is what was written, or will be, of those that are there.
	known   map[name][]byte
	problem error // of a write that nobody waited for
}

type name struct{ kind, key string }

// PutLater writes a record within a moment, in one go with all others that are put
// meanwhile; one that is the same as before is not written. It is for what changes often
// and need not outlive a crash of the machine in that very moment: nobody waits for the
// disk. Close writes what still waits.
//
// Errors: those of an earlier one that could not be written, too.
func (s *Store) PutLater(kind, key string, record any) error {
	if err := checkNames(kind, key); err != nil {
		return err
	}
	value, err := encode(kind, key, record)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := name{kind, key}
	if !bytes.Equal(s.later.known[n], value) {
		s.later.known[n] = value
		s.postpone(n, value)
	}
	return s.laterProblem()
}

// DeleteLater removes a record that PutLater wrote within a moment.
//
// Errors: those of an earlier one that could not be written.
func (s *Store) DeleteLater(kind, key string) error {
	if err := checkNames(kind, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := name{kind, key}
	delete(s.later.known, n)
	s.postpone(n, nil)
	return s.laterProblem()
}

// postpone lets an entry wait for the next write. s.mu is held.
func (s *Store) postpone(n name, value []byte) {
	s.later.entries[n] = entry{recordsBucket, n.kind, n.key, value}
	if s.later.timer == nil {
		s.later.timer = time.AfterFunc(laterDelay, s.flush)
	}
}

// laterProblem tells once what went wrong. s.mu is held.
func (s *Store) laterProblem() error {
	err := s.later.problem
	s.later.problem = nil
	return err
}

// flush writes what waits.
func (s *Store) flush() {
	s.mu.Lock()
	if s.later.timer != nil {
		s.later.timer.Stop()
		s.later.timer = nil
	}
	w := &write{}
	for n, e := range s.later.entries {
		w.entries = append(w.entries, e)
		delete(s.later.entries, n)
	}
	if len(w.entries) == 0 {
		s.mu.Unlock()
		return
	}
	// Under the lock that it was taken out under, so that a later one is written later.
	s.queue = append(s.queue, w)
	s.mu.Unlock()
	if err := s.finish(w); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.later.problem = errors.Join(s.later.problem, err)
		clear(s.later.known) // so that the same is written again
	}
}
