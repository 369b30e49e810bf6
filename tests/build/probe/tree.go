package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// mountsName is the first member of the archive: the mount points, which are left out, one a line.
const mountsName = ".mounts"

// writeTree writes everything that the root filesystem has as a tar.
func writeTree(w io.Writer) error {
	infos, err := mountinfo.GetMounts(nil)
	if err != nil {
		return err
	}
	mounted := map[string]bool{}
	var list bytes.Buffer
	for _, m := range infos {
		if m.Mountpoint != "/" {
			mounted[m.Mountpoint] = true
			fmt.Fprintln(&list, m.Mountpoint)
		}
	}
	tw := tar.NewWriter(w)
	if err := tw.WriteHeader(&tar.Header{Name: mountsName, Typeflag: tar.TypeReg, Size: int64(list.Len())}); err != nil {
		return err
	}
	if _, err := list.WriteTo(tw); err != nil {
		return err
	}
	links := map[uint64]string{}
	err = filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case mounted[path] && d.IsDir():
			return fs.SkipDir
		case mounted[path] || path == "/":
			return nil
		}
		return writeFile(tw, path, links)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func writeFile(tw *tar.Writer, path string, links map[uint64]string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	h.Name, h.Format, h.Uname, h.Gname = strings.TrimPrefix(path, "/"), tar.FormatPAX, "", ""
	if h.PAXRecords, err = attributes(path); err != nil {
		return err
	}
	if st.Nlink > 1 && !info.IsDir() {
		if first, ok := links[st.Ino]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return tw.WriteHeader(h)
		}
		links[st.Ino] = h.Name
	}
	if err := tw.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(tw, f)
	return err
}

// attributes are extended attributes, as tar has them.
func attributes(path string) (map[string]string, error) {
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", path, err)
	}
	records := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s of %s: %w", name, path, err)
		}
		records["SCHILY.xattr."+name] = string(value[:n])
	}
	return records, nil
}
