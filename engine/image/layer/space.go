package layer

import (
	"errors"
	"fmt"
	"os"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"
)

// ErrNoSpace is the kind of what would fill the disk.
var ErrNoSpace = errors.New("not enough space")

// Reserve is what stays free on the disk, so that the host and running containers can go on.
type Reserve struct {
	Bytes  int64
	Inodes int64
	// Percent of the disk is kept when that is more than Bytes, but never more than Most.
	Percent int64
	Most    int64
}

// DefaultReserve keeps 5 percent of the disk, at least 1 GiB and at most 10 GiB.
func DefaultReserve() Reserve {
	return Reserve{Bytes: 1 << 30, Percent: 5, Most: 10 << 30, Inodes: 10_000}
}

// kept is the reserve in bytes on a disk of total bytes.
func (r Reserve) kept(total int64) int64 {
	return max(r.Bytes, min(total/100*r.Percent, r.Most))
}

// Check tells whether need more bytes fit on the disk of dir.
//
// Errors: ErrNoSpace.
func (r Reserve) Check(dir string, need int64) error {
	s, err := r.Watch(dir)
	if err != nil {
		return err
	}
	return errors.Join(s.check(need), s.Close())
}

// checkEvery is how many bytes are written between two looks at the disk.
const checkEvery = 64 << 20

// Space watches a disk while something is written to it.
type Space struct {
	dir     *os.File // a descriptor: the thread that writes sees no host paths
	reserve Reserve
	looked  bool
	checked int64
}

// Watch begins to watch the disk of dir.
func (r Reserve) Watch(dir string) (*Space, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("free space: %w", err)
	}
	return &Space{dir: f, reserve: r}, nil
}

// Close ends the watch.
func (s *Space) Close() error { return s.dir.Close() }

// Use is told how many bytes have been written, or are about to be, since Watch.
//
// Errors: ErrNoSpace.
func (s *Space) Use(total int64) error {
	need := total - s.checked
	if s.looked && need < checkEvery {
		return nil
	}
	s.looked, s.checked = true, total
	return s.check(need)
}

func (s *Space) check(need int64) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(s.dir.Fd()), &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", s.dir.Name(), err)
	}
	free := int64(fs.Bavail) * fs.Bsize
	kept := s.reserve.kept(int64(fs.Blocks) * fs.Bsize)
	if free-kept < need {
		return fmt.Errorf("%w in %s: %s needed, %s free, of which %s are kept in reserve", ErrNoSpace, s.dir.Name(),
			units.BytesSize(float64(need)), units.BytesSize(float64(free)), units.BytesSize(float64(kept)))
	}
	// Some file systems (btrfs) count no inodes.
	if fs.Files > 0 && int64(fs.Ffree) < s.reserve.Inodes {
		return fmt.Errorf("%w in %s: only %d inodes are free", ErrNoSpace, s.dir.Name(), fs.Ffree)
	}
	return nil
}
