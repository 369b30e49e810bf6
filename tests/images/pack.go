package images

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// leftOut are files of a root filesystem that no image has: what belongs to the machine or to the moment. A pattern
// that ends in /* keeps the folder itself.
var leftOut = []string{
	"dev/*", "proc/*", "run/adduser", "sys/*", "tmp/*",
	"etc/*-", "etc/.pwd.lock", "etc/alternatives/*.gz", "etc/hostname", "etc/machine-id",
	"etc/resolv.conf", "etc/apt/sources.list", "etc/apt/sources.list.d/*",
	"etc/ssl/certs/ssl-cert-snakeoil.pem", "etc/ssl/private/ssl-cert-snakeoil.key",
	"usr/share/doc/*", "usr/share/info/*", "usr/share/lintian/*", "usr/share/locale/*", "usr/share/man/*",
	"var/cache/apt/*", "var/cache/debconf/*", "var/cache/ldconfig/*", "var/lib/apt/lists/*",
	"var/lib/dpkg/*-old", "var/log/*.log", "var/log/apt/*",
}

func isLeftOut(name string) bool {
	parts := strings.Split(name, "/")
	return slices.ContainsFunc(leftOut, func(pattern string) bool {
		depth := strings.Count(pattern, "/") + 1
		if len(parts) < depth {
			return false
		}
		match, err := path.Match(pattern, path.Join(parts[:depth]...))
		return match && err == nil
	})
}

// packFolder writes the files below dir as a layer. In the upper folder of an overlay, what was deleted becomes
// a whiteout. Owners are numbers, the order is that of names, and no time is newer than epoch.
func packFolder(w io.Writer, dir string) error {
	p := packer{tar: tar.NewWriter(w), dir: dir, first: map[inode]string{}}
	err := filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil || name == "." || isLeftOut(name) {
			return err
		}
		if err := p.add(name); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.tar.Close()
}

type inode struct{ device, number uint64 }

type packer struct {
	tar   *tar.Writer
	dir   string
	first map[inode]string // the first name of a file that has several
}

func (p *packer) add(name string) error {
	file := filepath.Join(p.dir, name)
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.ErrUnsupported
	}
	if info.Mode()&fs.ModeCharDevice != 0 && stat.Rdev == 0 { // an overlay's mark of a deleted file
		return p.whiteout(path.Join(path.Dir(name), ".wh."+path.Base(name)))
	}
	header, err := p.header(name, info, stat)
	if err != nil {
		return err
	}
	if err := p.tar.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag == tar.TypeReg {
		return p.copy(file)
	}
	if info.IsDir() && string(xattr(file, "trusted.overlay.opaque")) == "y" {
		return p.whiteout(path.Join(name, ".wh..wh..opq"))
	}
	return nil
}

func (p *packer) header(name string, info fs.FileInfo, stat *syscall.Stat_t) (*tar.Header, error) {
	file := filepath.Join(p.dir, name)
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(file); err != nil {
			return nil, err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return nil, err
	}
	h.Name = name
	if info.IsDir() {
		h.Name += "/"
	}
	h.Format = tar.FormatPAX
	h.Uname, h.Gname = "", ""
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.ModTime = h.ModTime.Truncate(time.Second)
	if h.ModTime.After(epoch) {
		h.ModTime = epoch
	}
	if value := xattr(file, "security.capability"); value != nil {
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(value)}
	}
	if info.Mode().IsRegular() && stat.Nlink > 1 {
		id := inode{stat.Dev, stat.Ino}
		if first, seen := p.first[id]; seen {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return h, nil
		}
		p.first[id] = name
	}
	return h, nil
}

func (p *packer) whiteout(name string) error {
	return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, ModTime: epoch})
}

func (p *packer) copy(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(p.tar, f)
	return err
}

// xattr is an extended attribute; nil when the file or the filesystem has none.
func xattr(file, name string) []byte {
	value := make([]byte, 256)
	n, err := unix.Lgetxattr(file, name, value)
	if err != nil {
		return nil
	}
	return value[:n]
}
