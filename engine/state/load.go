package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// Damaged is a record that cannot be read.
type Damaged struct {
	Kind   string
	Key    string
	Reason string
	Raw    []byte // as it is in the file
	Found  time.Time
}

// Load reads all records of a kind. Those that are damaged are moved out of the way
// and listed, those that a newer version wrote are listed and stay.
func Load[T any](s *Store, kind string) (map[string]T, []Damaged, error) {
	records, err := s.read(kind)
	if err != nil {
		return nil, nil, err
	}
	out := make(map[string]T, len(records))
	var listed, moved []Damaged
	for _, r := range records {
		var value T
		err := r.into(&value)
		if err == nil {
			out[r.key] = value
			continue
		}
		d := Damaged{Kind: kind, Key: r.key, Reason: err.Error(), Raw: r.value, Found: time.Now()}
		listed = append(listed, d)
		if !errors.Is(err, ErrNewer) {
			moved = append(moved, d)
		}
	}
	return out, listed, s.setAside(moved)
}

// Quarantine lists what was moved out of the way since the file was made.
func (s *Store) Quarantine() ([]Damaged, error) {
	var out []Damaged
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(damagedBucket)).ForEachBucket(func(kind []byte) error {
			return tx.Bucket([]byte(damagedBucket)).Bucket(kind).ForEach(func(_, value []byte) error {
				var d Damaged
				if err := json.Unmarshal(value, &d); err != nil {
					return err
				}
				out = append(out, d)
				return nil
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read damaged records: %w", err)
	}
	return out, nil
}

func (e entry) into(value any) error {
	text, err := decode(e.kind, e.key, e.value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// read copies the records of a kind: nothing of bbolt's memory leaves a transaction.
func (s *Store) read(kind string) ([]entry, error) {
	var out []entry
	err := s.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(recordsBucket)).Bucket([]byte(kind))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(key, value []byte) error {
			out = append(out, entry{recordsBucket, kind, string(key), bytes.Clone(value)})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read %s records: %w", kind, err)
	}
	return out, nil
}

func (s *Store) setAside(list []Damaged) error {
	if len(list) == 0 {
		return nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, d := range list {
			if err := move(tx, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set damaged records aside: %w", err)
	}
	return nil
}

func move(tx *bbolt.Tx, d Damaged) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	to, err := tx.Bucket([]byte(damagedBucket)).CreateBucketIfNotExists([]byte(d.Kind))
	if err != nil {
		return err
	}
	if err := to.Put([]byte(d.Key), text); err != nil {
		return err
	}
	return tx.Bucket([]byte(recordsBucket)).Bucket([]byte(d.Kind)).Delete([]byte(d.Key))
}
