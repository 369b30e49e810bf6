package client

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"

	"github.com/moby/buildkit/util/archiveutil"
)

// ArchiveHead is how much of a file shows whether it is an archive.
const ArchiveHead = 1024

// IsArchive says whether a file that begins so is an archive, packed or not.
func IsArchive(start []byte) bool { return archiveutil.IsArchive(start) || isLongHeaded(start) }

// isLongHeaded says whether it is a tar archive whose first file has more headers than are in its head: extended ones
// take two blocks before the file's own, which times below a second are enough for. BuildKit takes such a context for
// a Dockerfile.
func isLongHeaded(start []byte) bool {
	if len(start) < ArchiveHead || start[0] == 0 {
		return false
	}
	_, err := tar.NewReader(bytes.NewReader(start)).Next()
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// recognizable is an archive that BuildKit knows as one: a global header goes before one that it would not. It is
// about no file, and fills the head.
func recognizable(start []byte, in io.Reader) (io.Reader, error) {
	if !isLongHeaded(start) {
		return in, nil
	}
	var first bytes.Buffer
	w := tar.NewWriter(&first)
	err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "build context"},
	})
	return io.MultiReader(&first, in), errors.Join(err, w.Flush())
}
