package state

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testFile is the content of a file with branches, overflow pages, inline buckets and
// free pages, and the records in it.
func testFile(tb testing.TB) (file []byte, records map[string]pet) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "state.db")
	s, err := Open(path, Options{Volatile: true})
	if err != nil {
		tb.Fatal(err)
	}
	records = map[string]pet{}
	batch := map[string]any{}
	for i := range 60 {
		key := fmt.Sprintf("%03d", i)
		records[key] = pet{strings.Repeat("x", 100+i%7*50), i}
		if i == 30 {
			records[key] = pet{strings.Repeat("long", 4000), i}
		}
		if batch[key] = records[key]; i%20 == 19 {
			if err := s.PutAll("pet", batch); err != nil {
				tb.Fatal(err)
			}
		}
	}
	put(tb, s, "plant", "a", "fern")
	put(tb, s, "pet", "gone", pet{})
	if err := s.Delete("pet", "gone"); err != nil {
		tb.Fatal(err)
	}
	closeStore(tb, s)
	file, err = os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return file, records
}

func TestAFileInOrderHasNoProblem(t *testing.T) {
	file, records := testFile(t)
	entries, problem := survey(file)
	if problem != nil {
		t.Fatal(problem)
	}
	got := map[string]pet{}
	for _, e := range entries {
		var p pet
		if e.kind != "pet" {
			continue
		}
		if err := e.into(&p); err != nil {
			t.Error(err)
		}
		got[e.key] = p
	}
	if diff := cmp.Diff(records, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// reopen writes a damaged file and opens it. What is loaded must be what was written, and the store must work.
func reopen(t *testing.T, dir string, file []byte, records map[string]pet) (loaded int, damage error) {
	t.Helper()
	path := filepath.Join(dir, "state.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	pets, _ := loadPets(t, s)
	for key, got := range pets {
		if want, ok := records[key]; ok && got != want {
			t.Errorf("%s is another", key)
		}
	}
	put(t, s, "pet", "new", pet{"New", 1})
	if after, _ := loadPets(t, s); len(after) < len(pets) || after["new"] != (pet{"New", 1}) {
		t.Error("what is written is not there")
	}
	return len(pets), s.Damage()
}

func TestNoFlippedByteStopsTheStore(t *testing.T) {
	file, records := testFile(t)
	random := rand.New(rand.NewPCG(1, 2))
	var offsets []int
	for page := 0; page < len(file); page += 4096 {
		for i := range 32 { // the header and an element
			offsets = append(offsets, page+i)
		}
		for range 4 {
			offsets = append(offsets, page+random.IntN(4096))
		}
	}
	dir := t.TempDir()
	total, rebuilt := 0, 0
	for _, at := range offsets {
		if at >= len(file) {
			continue
		}
		damaged := append([]byte(nil), file...)
		damaged[at] ^= byte(1 + random.IntN(255))
		loaded, damage := reopen(t, dir, damaged, records)
		total += len(records) - min(loaded, len(records))
		if damage != nil {
			rebuilt++
		}
		if t.Failed() {
			t.Fatalf("byte %d", at)
		}
	}
	t.Logf("%d files, %d of them made anew, %.2f records lost in each", len(offsets), rebuilt, float64(total)/float64(len(offsets)))
	if total > 3*len(offsets) {
		t.Error("damage is not kept to where it is")
	}
}

func TestFilesThatAreDamagedInLargerPieces(t *testing.T) {
	file, records := testFile(t)
	cases := map[string]func([]byte) []byte{
		"cut short":            func(b []byte) []byte { return b[:len(b)/2] },
		"cut within a page":    func(b []byte) []byte { return b[:5*4096+17] },
		"only its first page":  func(b []byte) []byte { return b[:4096] },
		"a piece of its first": func(b []byte) []byte { return b[:40] },
		"a zeroed head":        func(b []byte) []byte { clear(b[:4096]); return b },
		"two zeroed heads":     func(b []byte) []byte { clear(b[:8192]); return b },
		"a zeroed root": func(b []byte) []byte {
			root := findMetas(b)[0].root
			clear(b[root*4096 : (root+1)*4096])
			return b
		},
		"zeros":          func(b []byte) []byte { clear(b); return b },
		"something else": func([]byte) []byte { return []byte(strings.Repeat("hello ", 5000)) },
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			damaged := damage(append([]byte(nil), file...))
			loaded, problem := reopen(t, dir, damaged, records)
			t.Logf("%d records: %v", loaded, problem)
			if !errors.Is(problem, errBroken) {
				t.Errorf("damage: %v", problem)
			}
			kept, err := os.ReadFile(filepath.Join(dir, "state.db.damaged"))
			if err != nil || string(kept) != string(damaged) {
				t.Errorf("the damaged file was not kept: %v", err)
			}
			again, err := os.ReadFile(filepath.Join(dir, "state.db"))
			if err != nil {
				t.Fatal(err)
			}
			if _, problem := survey(again); problem != nil {
				t.Errorf("the new file is damaged: %v", problem)
			}
		})
	}
}

func FuzzSurvey(f *testing.F) {
	file, _ := testFile(f)
	f.Add(file[:8*4096], 0, byte(1))
	f.Fuzz(func(t *testing.T, b []byte, at int, flip byte) {
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		if _, problem := survey(b); problem == nil {
			if loaded, damage := reopen(t, t.TempDir(), b, nil); damage != nil {
				t.Errorf("%d records, %v", loaded, damage)
			}
		}
	})
}

func BenchmarkSurvey(b *testing.B) {
	file, records := testFile(b)
	for b.Loop() {
		if entries, problem := survey(file); problem != nil || len(entries) <= len(records) {
			b.Fatal(len(entries), problem)
		}
	}
	b.SetBytes(int64(len(file)))
}
