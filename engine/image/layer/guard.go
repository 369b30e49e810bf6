package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"math"
	"path"
	"strings"
)

// ErrRefused is the kind of a layer that breaks a rule.
var ErrRefused = errors.New("layer refused")

// Limits bound what one layer may ask for.
type Limits struct {
	// Expanded is the most bytes that it may have uncompressed, holes of sparse files included.
	Expanded int64
	// Ratio is how many times its compressed size it may have uncompressed, once it is over RatioFrom.
	Ratio     int64
	RatioFrom int64
	Entries   int
	// Path is the longest name of an entry or target of a link, in bytes.
	Path    int
	Reserve Reserve
}

// DefaultLimits are far above any real image and far below what hurts a host.
func DefaultLimits() Limits {
	return Limits{
		Expanded: 64 << 30, Ratio: 1000, RatioFrom: 1 << 30,
		Entries: 5_000_000, Path: 4096, Reserve: DefaultReserve(),
	}
}

// guard looks at a layer while it is being unpacked. Its methods run on one goroutine.
type guard struct {
	limits     Limits
	compressed int64
	space      *Space

	entries int
	content int64 // sum of the entries' sizes: a hole costs no bytes in the stream
	broken  error // the first rule that was broken: readers may drop an error that comes with bytes
	folders folders
}

func newGuard(l Limits, compressed int64, s *Space) *guard {
	return &guard{limits: l, compressed: compressed, space: s, folders: folders{}}
}

// stream checks the length of the stream so far.
func (g *guard) stream(total int64) error { return g.expanded(max(total, g.content)) }

func (g *guard) expanded(n int64) error {
	if g.broken == nil {
		g.broken = g.checkExpanded(n)
	}
	return g.broken
}

func (g *guard) checkExpanded(n int64) error {
	if n > g.limits.Expanded {
		return fmt.Errorf("%w: more than %d bytes uncompressed", ErrRefused, g.limits.Expanded)
	}
	// Divided, not multiplied: the sizes are a stranger's.
	if n > g.limits.RatioFrom && n/g.limits.Ratio > g.compressed {
		return fmt.Errorf("%w: %d bytes expand to more than %d times as many", ErrRefused, g.compressed, g.limits.Ratio)
	}
	return g.space.Use(n)
}

// entry decides about one entry before it is unpacked, and takes from its header what must not reach the disk.
func (g *guard) entry(h *tar.Header) (bool, error) {
	if g.entries++; g.entries > g.limits.Entries {
		return false, fmt.Errorf("%w: more than %d entries", ErrRefused, g.limits.Entries)
	}
	if len(h.Name) > g.limits.Path || len(h.Linkname) > g.limits.Path {
		return false, fmt.Errorf("%w: a name of more than %d bytes", ErrRefused, g.limits.Path)
	}
	if !isID(h.Uid) || !isID(h.Gid) {
		return false, fmt.Errorf("%w: %q belongs to %d:%d", ErrRefused, h.Name, h.Uid, h.Gid)
	}
	if h.Size < 0 || h.Size > math.MaxInt64-g.content {
		return false, fmt.Errorf("%w: %q has %d bytes", ErrRefused, h.Name, h.Size)
	}
	g.content += h.Size
	if err := g.expanded(g.content); err != nil {
		return false, err
	}
	removeForeignAttributes(h.PAXRecords)
	if isDevice(h) || isAufsRecord(h.Name) {
		return false, nil
	}
	g.folders.see(h.Name, h.Typeflag == tar.TypeDir)
	return true, nil
}

// isID tells whether n can be a user or group: more than 31 bits would wrap to another, perhaps to root.
func isID(n int) bool { return n >= 0 && n <= math.MaxInt32 }

// isDevice tells whether the entry is a device node. Containers have their own /dev, and a node on the host's
// disk is a door; 0:0 would be a whiteout.
func isDevice(h *tar.Header) bool { return h.Typeflag == tar.TypeBlock || h.Typeflag == tar.TypeChar }

// isAufsRecord tells whether the name is one of aufs' own files, which say nothing about the layer.
func isAufsRecord(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, ".wh..wh.") && base != ".wh..wh..opq"
}

// removeForeignAttributes leaves the extended attributes that belong to a file's content: file capabilities, access
// lists, and the user's own. The others steer the host: overlayfs' own marks, labels of its security module.
func removeForeignAttributes(records map[string]string) {
	for key := range records {
		name, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if ok && !mayKeep(name) {
			delete(records, key)
		}
	}
}

func mayKeep(attribute string) bool {
	switch attribute {
	case "security.capability", "system.posix_acl_access", "system.posix_acl_default":
		return true
	}
	return strings.HasPrefix(attribute, "user.") && !strings.HasPrefix(attribute, "user.overlay.")
}
