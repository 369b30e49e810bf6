package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tiffin/engine"
)

// Config says where volumes lie.
type Config struct {
	// Root is the folder of all volumes; it is made, for its owner only.
	Root string
}

// Store is a folder of volumes. Its methods may be called by many at once, for
// different volumes.
type Store struct{ root string }

const (
	dataFolder = "_data"
	// Names that begin with a dot are no volumes.
	removedPrefix = ".removed-"
	maxName       = 255
)

// Open makes the folder and finishes removals that were interrupted.
func Open(cfg Config) (*Store, error) {
	if err := os.MkdirAll(cfg.Root, 0o700); err != nil {
		return nil, fmt.Errorf("open volumes: %w", err)
	}
	s := &Store{cfg.Root}
	leftovers, err := filepath.Glob(filepath.Join(cfg.Root, removedPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("open volumes: %w", err)
	}
	for _, dir := range leftovers {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("open volumes: %w", err)
		}
	}
	return s, nil
}

// Create makes a volume; without a name it is anonymous. A folder of that name that
// is there already is taken as it is.
//
// Errors: engine.ErrNotFound for an external volume, which others have to make;
// engine.ErrInvalid and engine.ErrUnsupported for what cannot be made.
func (s *Store) Create(_ context.Context, spec engine.VolumeSpec, project string) (engine.Volume, error) {
	v := engine.Volume{Name: spec.Name, Project: project, Created: time.Now(), Spec: spec, Anonymous: spec.Name == ""}
	if v.Anonymous {
		v.Name = engine.NewID()
	}
	if err := check(v); err != nil {
		return engine.Volume{}, err
	}
	v.Mountpoint = s.data(v.Name)
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{{filepath.Dir(v.Mountpoint), 0o700}, {v.Mountpoint, 0o755}} {
		if err := os.Mkdir(dir.path, dir.mode); err != nil && !errors.Is(err, os.ErrExist) {
			return engine.Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
		}
	}
	if err := os.Chmod(v.Mountpoint, 0o755); err != nil { //nolint:gosec // as Docker has it; the folder above is closed
		return engine.Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	if device, ok := bound(spec); ok {
		v.Mountpoint = device
	}
	content, err := os.ReadDir(v.Mountpoint)
	if err != nil {
		return engine.Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	v.Fresh = len(content) == 0
	return v, nil
}

func check(v engine.Volume) error {
	switch d := v.Spec.Driver; {
	case v.Spec.External:
		return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("external volume %q not found", v.Name)),
			"it is declared external: create it first, or leave external out")
	case len(v.Name) > maxName:
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("volume name %q has more than %d bytes", v.Name, maxName))
	case !validName(v.Name):
		return engine.Hint(engine.Problem(engine.ErrInvalid,
			fmt.Errorf(`%q includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`, v.Name)),
			"if it is a host folder, use its absolute path")
	case d != "" && d != "local":
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("volume %s: there is no volume driver %q, only local", v.Name, d))
	}
	if err := checkDriver(v.Spec); err != nil {
		return fmt.Errorf("volume %s: %w", v.Name, err)
	}
	return nil
}

func validName(name string) bool {
	if name == "" || strings.Trim(name[:1], "_.-") == "" {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && r != '_' && r != '.' && r != '-'
	})
}

func (s *Store) data(name string) string { return filepath.Join(s.root, name, dataFolder) }

// Remove removes a volume and its content; one that is not there is no error. That
// nobody uses it the caller has made sure of.
func (s *Store) Remove(_ context.Context, name string) error {
	if !validName(name) {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("volume name %q", name))
	}
	if err := unmount(s.data(name)); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	away := filepath.Join(s.root, removedPrefix+name)
	err := os.RemoveAll(away) // of a former volume of that name
	if err == nil {
		err = os.Rename(filepath.Join(s.root, name), away)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.RemoveAll(away)
	}
	if err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

// List returns the names of the volumes that have a folder, sorted.
func (s *Store) List() ([]string, error) {
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && validName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
