package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Files keeps the content of configs and secrets in memory, while the engine runs.
type Files struct {
	dir     string
	mounted bool
}

// OpenFiles makes a folder for them, closed to others. Where it is not on tmpfs
// already, a tmpfs is mounted on it, which Close takes off.
func OpenFiles(dir string) (*Files, error) {
	f := &Files{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return nil, fmt.Errorf("open files: %w", pathError("statfs", dir, err))
	}
	there, err := isMountpoint(dir)
	if err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	f.mounted = there
	if fs.Type != unix.TMPFS_MAGIC {
		if err := unix.Mount("tiffin-files", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
			return nil, fmt.Errorf("open files: %w", pathError("mount tmpfs on", dir, err))
		}
		f.mounted = true
	}
	return f, nil
}

// Write puts down the files of a container and returns their paths by target. What a
// process of an earlier start still has mounted is not changed.
func (f *Files) Write(id string, files []engine.FileMount) (map[string]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if err := f.Remove(id); err != nil {
		return nil, err
	}
	dir := filepath.Join(f.dir, id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("write configs and secrets: %w", err)
	}
	paths := make(map[string]string, len(files))
	for i, file := range files {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := writeFile(path, file); err != nil {
			return nil, fmt.Errorf("write %s %s: %w", file.Kind, file.Name, err)
		}
		paths[file.Target] = path
	}
	return paths, nil
}

func writeFile(path string, file engine.FileMount) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(file.Content)
	return errors.Join(err, f.Chown(int(file.UID), int(file.GID)), unix.Fchmod(int(f.Fd()), file.Mode&0o7777), f.Close())
}

// Remove removes the files of a container.
func (f *Files) Remove(id string) error {
	if err := os.RemoveAll(filepath.Join(f.dir, id)); err != nil {
		return fmt.Errorf("remove configs and secrets: %w", err)
	}
	return nil
}

// Close takes the tmpfs off. Containers that run keep what they have mounted.
func (f *Files) Close() error {
	if !f.mounted {
		return nil
	}
	if err := unmount(f.dir); err != nil {
		return fmt.Errorf("close files: %w", err)
	}
	return nil
}
