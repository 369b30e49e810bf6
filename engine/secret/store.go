package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/state"
)

// MaxSize bounds the content, as Docker's swarm does.
const MaxSize = 500 << 10

// maxName is how long a name can be; so it is the name of a file, too.
const maxName = 64

// Store has the secrets of an engine. Its methods may be called by many at once.
type Store struct {
	dir string
	mu  sync.Mutex // held by who changes the folder
}

// kept is a secret as it lies in its file.
type kept struct {
	engine.Secret
	Content []byte
}

// Open makes the folder, and takes off what a crash left of secrets that were being made.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	halves, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	for _, half := range halves {
		if err := os.Remove(half); err != nil {
			return nil, fmt.Errorf("open secrets: %w", err)
		}
	}
	return &Store{dir: dir}, nil
}

// CheckName says what a name may be.
//
// Errors: engine.ErrInvalid.
func CheckName(name string) error {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	inner := strings.Trim(name, alphanumeric+"-_.") == ""
	if name == "" || len(name) > maxName || !inner || strings.ContainsAny(name[:1]+name[len(name)-1:], "-_.") {
		return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no name of a secret", name)),
			fmt.Sprintf("At most %d letters, digits, - _ and ., with a letter or a digit at both ends.", maxName))
	}
	return nil
}

// Create keeps a new secret.
//
// Errors: engine.ErrInvalid, engine.ErrConflict.
func (s *Store) Create(name string, labels map[string]string, content []byte) (engine.Secret, error) {
	if err := CheckName(name); err != nil {
		return engine.Secret{}, err
	}
	if len(content) == 0 || len(content) > MaxSize {
		return engine.Secret{}, engine.Problem(engine.ErrInvalid, fmt.Errorf("secret %s has %d bytes, and can have 1 to %d", name, len(content), MaxSize))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Has(name) {
		return engine.Secret{}, engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("secret %s already exists", name)),
			fmt.Sprintf("Its content does not change: `tiffin secret rm %s` first, or take another name.", name))
	}
	one := kept{engine.Secret{ID: engine.NewID()[:25], Name: name, Labels: labels, Created: time.Now().UTC()}, content}
	text, err := json.Marshal(one)
	if err != nil {
		return engine.Secret{}, err
	}
	return one.Secret, state.WriteFile(s.path(name), text, 0o600)
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// Has looks for a secret by its name.
func (s *Store) Has(name string) bool {
	if CheckName(name) != nil {
		return false
	}
	_, err := os.Lstat(s.path(name))
	return err == nil
}

// Content reads a secret.
//
// Errors: engine.ErrNotFound.
func (s *Store) Content(name string) ([]byte, error) {
	one, err := s.read(name)
	return one.Content, err
}

func (s *Store) read(name string) (kept, error) {
	var one kept
	if err := CheckName(name); err != nil {
		return one, err
	}
	text, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return one, Missing(name)
	}
	if err != nil {
		return one, fmt.Errorf("read secret: %w", err)
	}
	if json.Unmarshal(text, &one) != nil { // whose error may quote the content
		return kept{}, fmt.Errorf("secret %s: its file is damaged", name)
	}
	return one, nil
}

// Missing is the error about a secret that is not there.
func Missing(name string) error {
	return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("no such secret: %s", name)),
		fmt.Sprintf("`tiffin secret create %s FILE` makes it, or `-` for standard input in place of FILE.", name))
}

// List describes all secrets, by name.
func (s *Store) List() ([]engine.Secret, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	list := []engine.Secret{}
	for _, e := range entries {
		one, err := s.read(e.Name())
		switch {
		case errors.Is(err, engine.ErrInvalid), errors.Is(err, engine.ErrNotFound): // one being made, or removed just now
		case err != nil:
			return nil, err
		default:
			list = append(list, one.Secret)
		}
	}
	return list, nil
}

// Remove forgets a secret; in tells which containers have it.
//
// Errors: engine.ErrNotFound, engine.ErrInvalid, engine.ErrConflict.
func (s *Store) Remove(ref string, in func(name string) []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.List()
	if err != nil {
		return err
	}
	one, err := engine.FindSecret(list, ref)
	if err != nil {
		return err
	}
	if users := in(one.Name); len(users) > 0 {
		return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("secret %s is in use by %s", one.Name, strings.Join(users, ", "))),
			"Remove the containers first.")
	}
	if err := os.Remove(s.path(one.Name)); err != nil {
		return fmt.Errorf("remove secret: %w", err)
	}
	return nil
}

// Fill returns files with the content of those that are in the store.
func (s *Store) Fill(files []engine.FileMount) ([]engine.FileMount, error) {
	var filled []engine.FileMount
	for i := range files {
		name := files[i].External
		if name == "" {
			continue
		}
		content, err := s.Content(name)
		if err != nil {
			return nil, err
		}
		if filled == nil {
			filled = slices.Clone(files)
		}
		filled[i].Content = content
	}
	if filled == nil {
		return files, nil
	}
	return filled, nil
}

// Check looks whether all that Fill needs is there.
//
// Errors: engine.ErrNotFound.
func (s *Store) Check(files []engine.FileMount) error {
	for i := range files {
		if name := files[i].External; name != "" && !s.Has(name) {
			return Missing(name)
		}
	}
	return nil
}
