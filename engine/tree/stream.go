package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// removedRecord marks an entry whose path is to go. A mark by name, as that of layers, would take a name away from
// the files.
const removedRecord = "TIFFIN.removed"

// Writer writes a stream of changes.
type Writer struct{ tar *tar.Writer }

// NewWriter makes a writer; Close ends the stream.
func NewWriter(w io.Writer) *Writer { return &Writer{tar.NewWriter(w)} }

// Remove takes a path away, and all below it.
func (w *Writer) Remove(target string) error {
	return w.tar.WriteHeader(&tar.Header{
		Name: path.Clean("/" + target), Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{removedRecord: "1"},
	})
}

// Put writes what the host has at source. What is no file, folder or link is left out; what has gone meanwhile, too:
// its end is a change of its own.
func (w *Writer) Put(source, target string) error {
	info, err := os.Lstat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h := &tar.Header{
		Name: path.Clean("/" + target), Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX,
	}
	switch info.Mode().Type() {
	case 0:
		return w.putFile(source, h)
	case fs.ModeDir:
		h.Typeflag = tar.TypeDir
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(source); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	default:
		return nil
	}
	return errors.Join(err, w.tar.WriteHeader(h))
}

// putFile writes a file as long as it is once it is open: an editor may be at it.
func (w *Writer) putFile(source string, h *tar.Header) error {
	f, err := os.Open(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil // replaced since it was looked at: a change of its own
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(w.tar, io.LimitReader(f, h.Size))
	if err != nil {
		return fmt.Errorf("read %s: %w", source, err)
	}
	// It was cut short meanwhile. That is a change, too, which comes next; the stream has to go on.
	_, err = io.CopyN(w.tar, zeros{}, h.Size-n)
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Close ends the stream.
func (w *Writer) Close() error { return w.tar.Close() }
