package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func open(t *testing.T) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func nobody(string) []string { return nil }

func TestStore(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	made, err := s.Create("token", map[string]string{"a": "b"}, []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "token")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v, %v", path, info.Mode(), err)
		}
	}
	if _, err := s.Create("token", nil, []byte("x")); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("made twice: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".token-7"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil { // another engine
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".token-7")); err == nil {
		t.Error("half of a secret is still there")
	}
	list, err := s.List()
	if diff := cmp.Diff([]engine.Secret{made}, list); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if content, err := s.Content("token"); string(content) != "hunter2" || err != nil {
		t.Errorf("got %q, %v", content, err)
	}
	if err := s.Remove("token", func(string) []string { return []string{"web-1", "web-2"} }); !errors.Is(err, engine.ErrConflict) || !strings.Contains(err.Error(), "web-1, web-2") {
		t.Errorf("removed although it is used: %v", err)
	}
	if err := s.Remove(made.ID[:5], nobody); err != nil {
		t.Error(err)
	}
	if _, err := s.Content("token"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	if _, err := s.Create("token", nil, []byte("hunter2")); err != nil {
		t.Fatal(err)
	}
	files := []engine.FileMount{{Name: "own", Content: []byte("x")}, {Name: "key", External: "token"}}
	got, err := s.Fill(files)
	want := []engine.FileMount{files[0], {Name: "key", External: "token", Content: []byte("hunter2")}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if files[1].Content != nil {
		t.Error("the content is in the record")
	}
	files[1].External = "other"
	if err := s.Check(files); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	for name, c := range map[string]struct{ name, content string }{
		"a way out of the folder": {"../token", "x"},
		"the folder":              {".", "x"},
		"none":                    {"", "x"},
		"a name that is too long": {strings.Repeat("a", 65), "x"},
		"a dash at the end":       {"token-", "x"},
		"nothing":                 {"token", ""},
		"too much":                {"token", strings.Repeat("x", MaxSize+1)},
	} {
		if _, err := s.Create(c.name, nil, []byte(c.content)); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if list, err := os.ReadDir(dir); len(list) > 0 || err != nil {
		t.Errorf("left: %v, %v", list, err)
	}
}

func TestADamagedSecretIsNotTold(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(); err == nil || strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "'h'") {
		t.Errorf("got %v", err)
	}
}
