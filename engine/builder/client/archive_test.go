package client

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/util/archiveutil"
)

// tarred is an archive of one file, as a header describes it.
func tarred(t *testing.T, h *tar.Header) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := w.WriteHeader(h)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Archives whose first file has extended headers were taken for Dockerfiles, those of moby's go-archive among them.
func TestArchivesAreKnownByTheirHead(t *testing.T) {
	t.Parallel()
	precise := time.Date(2025, time.January, 1, 0, 0, 0, 1000, time.UTC)
	for name, c := range map[string]struct {
		text string
		is   bool
	}{
		"plain":            {tarred(t, &tar.Header{Name: "f", Mode: 0o644}), true},
		"a time in PAX":    {tarred(t, &tar.Header{Name: "f", ModTime: precise, Format: tar.FormatPAX}), true},
		"a long name, GNU": {tarred(t, &tar.Header{Name: strings.Repeat("n", 300), Format: tar.FormatGNU}), true},
		"much in PAX":      {tarred(t, &tar.Header{Name: "f", PAXRecords: map[string]string{"SCHILY.xattr.user.a": strings.Repeat("x", 9000)}}), true},
		"a short text":     {"FROM a\n", false},
		"a long text":      {strings.Repeat("RUN a long step\n", 500), false},
		"nothing":          {strings.Repeat("\x00", 2048), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := []byte(c.text[:min(len(c.text), ArchiveHead)])
			if got := IsArchive(start); got != c.is {
				t.Fatalf("is an archive: %t", got)
			}
			if !c.is {
				return
			}
			in, err := recognizable(start, strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			out, err := io.ReadAll(in)
			if err != nil || !archiveutil.IsArchive(out[:ArchiveHead]) || !strings.HasSuffix(string(out), c.text) {
				t.Errorf("BuildKit does not know it: %v", err)
			}
			var h *tar.Header
			r := tar.NewReader(bytes.NewReader(out))
			for err == nil && (h == nil || h.Typeflag == tar.TypeXGlobalHeader) {
				h, err = r.Next()
			}
			if err != nil {
				t.Errorf("its file is lost: %v", err)
			}
		})
	}
}
