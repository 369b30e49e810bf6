package state

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"
)

type pet struct {
	Name string
	Legs int
}

func open(tb testing.TB, path string) *Store {
	tb.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeStore(tb, s) })
	return s
}

func closeStore(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Error(err)
	}
}

func put(tb testing.TB, s *Store, kind, key string, record any) {
	tb.Helper()
	if err := s.Put(kind, key, record); err != nil {
		tb.Fatal(err)
	}
}

func loadPets(tb testing.TB, s *Store) (map[string]pet, []Damaged) {
	tb.Helper()
	pets, damaged, err := Load[pet](s, "pet")
	if err != nil {
		tb.Fatal(err)
	}
	return pets, damaged
}

func TestRecordsAreThereAfterTheFileIsOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	put(t, s, "pet", "a", pet{"Ada", 4})
	put(t, s, "pet", "b", pet{"Bob", 2})
	put(t, s, "plant", "a", "fern")
	put(t, s, "pet", "b", pet{"Bob", 3})
	if err := s.Delete("pet", "a", "no such one"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	s = open(t, path)
	pets, damaged := loadPets(t, s)
	if diff := cmp.Diff(map[string]pet{"b": {"Bob", 3}}, pets); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(damaged) > 0 {
		t.Errorf("damaged: %v", damaged)
	}
	plants, _, err := Load[string](s, "plant")
	if diff := cmp.Diff(map[string]string{"a": "fern"}, plants); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if err := s.Delete("plant", "a"); err != nil {
		t.Fatal(err)
	}
	if plants, _, err := Load[string](s, "plant"); len(plants) > 0 || err != nil {
		t.Errorf("after delete: %v, %v", plants, err)
	}
}

func TestAKindThatWasNeverWrittenIsEmpty(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	if pets, damaged := loadPets(t, s); len(pets)+len(damaged) > 0 {
		t.Errorf("got %v, %v", pets, damaged)
	}
}

func TestPutAllWritesAllOrNone(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	if err := s.PutAll("pet", map[string]any{"a": pet{"Ada", 4}, "b": pet{"Bob", 2}}); err != nil {
		t.Fatal(err)
	}
	for what, records := range map[string]map[string]any{
		"a record that JSON cannot hold": {"c": pet{"Cat", 4}, "d": func() {}},
		"an empty key":                   {"c": pet{"Cat", 4}, "": pet{"Dog", 4}},
		"a key beyond bbolt's limit":     {"c": pet{"Cat", 4}, strings.Repeat("k", 1<<15+1): pet{"Dog", 4}},
	} {
		if err := s.PutAll("pet", records); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	pets, _ := loadPets(t, s)
	if diff := cmp.Diff(map[string]pet{"a": {"Ada", 4}, "b": {"Bob", 2}}, pets); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestASecondEngineIsToldThatThereIsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path)
	if _, err := Open(path, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatOthersCouldHaveWrittenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	closeStore(t, open(t, path))
	if err := os.Chmod(path, 0o620); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("writable by its group: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(link, Options{}); err == nil {
		t.Error("a symbolic link is followed")
	}
}

// raw writes an envelope past the store.
func raw(tb testing.TB, s *Store, kind, key string, value []byte) {
	tb.Helper()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(recordsBucket)).Bucket([]byte(kind)).Put([]byte(key), value)
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func TestADamagedRecordIsSetAsideAndTheRestWorks(t *testing.T) {
	good, err := encode("pet", "x", pet{"Xerxes", 4})
	if err != nil {
		t.Fatal(err)
	}
	change := func(i int, to byte) []byte {
		b := []byte(string(good))
		b[i] = to
		return b
	}
	cases := map[string]struct {
		value  []byte
		reason string
	}{
		"nothing at all":         {[]byte{}, "damaged: 0 bytes are no record"},
		"cut short":              {good[:len(good)-1], "damaged: checksum is"},
		"version zero":           {change(0, 0), "damaged: version 0"},
		"another checksum":       {change(2, good[2]+1), "damaged: checksum is"},
		"another letter":         {change(8, 'Z'), "damaged: checksum is"},
		"the record of another":  {must(encode("pet", "y", pet{"Yeti", 2})), "damaged: checksum is"},
		"of another shape":       {must(encode("pet", "x", []int{1})), "damaged: json: cannot unmarshal array"},
		"JSON that is none":      {must(encode("pet", "x", json.Number("7"))), "damaged: json: cannot unmarshal number"},
		"zeros where it stood":   {make([]byte, len(good)), "damaged: version 0"},
		"written by tomorrow's":  {change(0, version+1), "written by a newer version: 2, this one knows 1"},
		"written by next year's": {change(0, 255), "written by a newer version: 255, this one knows 1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "state.db"))
			put(t, s, "pet", "a", pet{"Ada", 4})
			raw(t, s, "pet", "x", c.value)

			pets, damaged := loadPets(t, s)
			if diff := cmp.Diff(map[string]pet{"a": {"Ada", 4}}, pets); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(damaged) != 1 || damaged[0].Key != "x" || !strings.HasPrefix(damaged[0].Reason, c.reason) {
				t.Fatalf("damaged: %+v", damaged)
			}
			if diff := cmp.Diff(c.value, damaged[0].Raw); diff != "" {
				t.Errorf("raw, -want +got:\n%s", diff)
			}
			if strings.HasPrefix(c.reason, "written") {
				checkAside(t, s, nil, damaged)
			} else {
				checkAside(t, s, damaged, nil)
			}
		})
	}
}

// checkAside looks at what was moved to the quarantine, and at what is still listed when the records are read again.
func checkAside(t *testing.T, s *Store, moved, stayed []Damaged) {
	t.Helper()
	aside, err := s.Quarantine()
	if diff := cmp.Diff(moved, aside, cmpopts.EquateApproxTime(0), cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("quarantine: %v, -want +got:\n%s", err, diff)
	}
	if _, again := loadPets(t, s); len(again) != len(stayed) {
		t.Errorf("the second time: %+v", again)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestFieldsThatAreNotKnownDoNoHarm(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	put(t, s, "pet", "a", map[string]any{"Name": "Ada", "Legs": 4, "Wings": true})
	pets, damaged := loadPets(t, s)
	if pets["a"] != (pet{"Ada", 4}) || len(damaged) > 0 {
		t.Errorf("got %v, %v", pets, damaged)
	}
}

func TestParallelWritersAllGetTheirRecordsIn(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			key := strconv.Itoa(i)
			if err := s.Put("pet", key, pet{key, i}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if pets, _ := loadPets(t, s); len(pets) != 50 {
		t.Errorf("%d records", len(pets))
	}
}

const (
	childEnv  = "TIFFIN_STATE_TEST_CHILD"
	childFile = "state.db" // in its working directory
)

// TestChild is no test: it is what TestAKilledWriter… kills. It counts up, and says
// each number that is on disk.
func TestChild(*testing.T) {
	if os.Getenv(childEnv) == "" {
		return
	}
	s, err := Open(childFile, Options{})
	for i := 0; err == nil; i++ {
		key := fmt.Sprintf("%06d", i)
		if err = s.PutAll("pet", map[string]any{"x" + key: pet{key, i}, "y" + key: pet{key, i}}); err == nil {
			fmt.Println(i)
		}
	}
	fmt.Println(err)
}

func TestAKilledWriterLeavesEveryRecordThatItHadPromised(t *testing.T) {
	for round, after := range []int{0, 1, 7, 40} {
		dir := t.TempDir()
		promised := killAfter(t, dir, after)
		pets, damaged := loadPets(t, open(t, filepath.Join(dir, childFile)))
		if len(damaged) > 0 || len(pets)%2 != 0 || len(pets)/2 <= promised {
			t.Fatalf("round %d: %d records after %d promises, damaged: %v", round, len(pets), promised, damaged)
		}
		for i := range len(pets) / 2 {
			key := fmt.Sprintf("%06d", i)
			if pets["x"+key] != (pet{key, i}) || pets["y"+key] != (pet{key, i}) {
				t.Errorf("round %d: number %d of %d is missing", round, i, len(pets)/2)
			}
		}
	}
}

// killAfter has a child write until it has promised a number, kills it, and returns its last promise.
func killAfter(t *testing.T, dir string, number int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env, cmd.Dir = append(os.Environ(), childEnv+"=1"), dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("child: %s", lines.Text())
		}
		if last = n; n == number {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || last < number {
		t.Fatalf("child ended by itself (%v) after %d", err, last)
	}
	return last
}

func FuzzDecode(f *testing.F) {
	f.Add(must(encode("pet", "a", pet{"Ada", 4})))
	f.Add([]byte{version, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := decode("pet", "a", b)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Skip("a checksum over what is no JSON")
		}
		again := must(encode("pet", "a", json.RawMessage(text)))
		if _, err := decode("pet", "a", again); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 50} {
		for name, o := range map[string]Options{"durable": {}, "volatile": {Volatile: true}} {
			b.Run(fmt.Sprintf("%s/%d", name, writers), func(b *testing.B) { benchmarkPut(b, o, writers) })
		}
	}
}

// benchmarkPut measures how long it takes until each of a number of writers has its record on disk.
func benchmarkPut(b *testing.B, o Options, writers int) {
	b.Helper()
	dir := b.TempDir()
	if o.Volatile {
		dir = "/dev/shm"
	}
	path := filepath.Join(dir, fmt.Sprintf("tiffin-bench-%d.db", os.Getpid()))
	s, err := Open(path, o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		closeStore(b, s)
		if err := os.Remove(path); err != nil {
			b.Error(err)
		}
	}()
	record := pet{Name: strings.Repeat("x", 4000)}
	for b.Loop() {
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() { put(b, s, "pet", strconv.Itoa(i), record) })
		}
		wg.Wait()
	}
}
