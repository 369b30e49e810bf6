package state

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transactions is how often the file was written.
func transactions(t *testing.T, s *Store) int {
	t.Helper()
	tx, err := s.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	return tx.ID()
}

func putLater(t *testing.T, s *Store, key string, record any) {
	t.Helper()
	if err := s.PutLater("pet", key, record); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsPutLaterIsWrittenInOneGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "records"))
		put(t, s, "pet", "old", pet{"Old", 4})
		before := transactions(t, s)
		putLater(t, s, "a", pet{"Ant", 5})
		putLater(t, s, "a", pet{"Ant", 6})
		putLater(t, s, "b", pet{"Bee", 6})
		if err := s.DeleteLater("pet", "old"); err != nil {
			t.Fatal(err)
		}
		if n := transactions(t, s); n != before {
			t.Errorf("%d transactions at once", n-before)
		}
		time.Sleep(2 * laterDelay) // of the bubble
		synctest.Wait()
		if n := transactions(t, s); n != before+1 {
			t.Errorf("%d transactions, want one", n-before)
		}
		pets, _ := loadPets(t, s)
		if diff := cmp.Diff(map[string]pet{"a": {"Ant", 6}, "b": {"Bee", 6}}, pets); diff != "" {
			t.Error(diff)
		}
		putLater(t, s, "a", pet{"Ant", 6})
		time.Sleep(2 * laterDelay)
		synctest.Wait()
		if n := transactions(t, s); n != before+1 {
			t.Error("what is the same as before was written again")
		}
		closeStore(t, s)
	})
}

func TestCloseWritesWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records")
	s := open(t, path)
	putLater(t, s, "a", pet{"Ant", 6})
	putLater(t, s, "b", pet{"Bee", 6})
	if err := s.DeleteLater("pet", "a"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = open(t, path)
	defer closeStore(t, s)
	pets, _ := loadPets(t, s)
	if diff := cmp.Diff(map[string]pet{"b": {"Bee", 6}}, pets); diff != "" {
		t.Error(diff)
	}
}

func TestWhoPutsNextIsToldWhatCouldNotBeWritten(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "records"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	putLater(t, s, "a", pet{"Ant", 6})
	s.flush()
	if err := s.PutLater("pet", "a", pet{"Ant", 6}); err == nil || !strings.Contains(err.Error(), "database not open") {
		t.Errorf("%v", err)
	}
	s.mu.Lock()
	waits := len(s.later.entries)
	s.mu.Unlock()
	if waits != 1 {
		t.Errorf("%d records wait to be written again, want 1", waits)
	}
	if err := s.PutLater("", "a", 1); err == nil {
		t.Error("a record without a kind was taken")
	}
	if err := s.Close(); err == nil {
		t.Error("the end hides that a record could not be written")
	}
}
