package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Changes lists what differs between a container's files and its image's, as docker diff does: a folder in which
// something has changed is changed itself, and comes before it. What PackLayer leaves out as made by the start is
// none of it.
func Changes(ctx context.Context, l *Layer) ([]call.FileChange, error) {
	if l.Upper == nil {
		return nil, nil
	}
	stubs, err := l.stubs()
	if err != nil {
		return nil, err
	}
	d := differ{ctx: ctx, stubs: stubs}
	_, err = d.folder(&place{l.Upper, l.View, l.Base}, "", overlaid)
	return d.found, err
}

// differ compares the three trees.
type differ struct {
	ctx   context.Context //nolint:containedctx // of one walk
	stubs map[string]bool
	found []call.FileChange
	depth int
}

// covering says how much of a folder of the image shows through.
type covering int

// A name that the upper folder lacks is as it was in an overlaid folder, and gone in a hidden one.
const (
	overlaid covering = iota
	hidden
)

func (d *differ) note(name string, kind call.ChangeKind) {
	d.found = append(d.found, call.FileChange{Path: "/" + name, Kind: kind})
}

// folder lists the changes in a folder. It says whether something was left out as made by the start.
func (d *differ) folder(at *place, name string, how covering) (stubbed bool, err error) {
	names, err := at.upper.Readdirnames(-1)
	if err != nil {
		return false, problem(name, err)
	}
	if how == hidden && at.base != nil {
		was, err := namesIn(at.base)
		if err != nil {
			return false, problem(name, err)
		}
		names = append(names, was...)
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if d.ctx.Err() != nil {
			return false, context.Cause(d.ctx)
		}
		left, err := d.name(at, n, path.Join(name, n), how)
		if err != nil {
			return false, err
		}
		stubbed = stubbed || left
	}
	return stubbed, nil
}

func namesIn(dir *os.File) ([]string, error) {
	f, err := openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0) // dir itself may be a mere O_PATH
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return f.Readdirnames(-1)
}

// name compares what is at one name.
func (d *differ) name(at *place, base, name string, how covering) (stubbed bool, err error) {
	st, err := statAt(at.upper, base)
	if err != nil {
		return false, problem(name, err)
	}
	was, err := statAt(at.base, base)
	if err != nil {
		return false, problem(name, err)
	}
	switch {
	case st == nil && (was == nil || how == overlaid): // it was another a moment ago
		return false, nil
	case st == nil, st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0:
		if was != nil {
			d.note(name, call.ChangeDeleted)
		}
		return false, nil
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return d.subfolder(at, base, name, how, st, was)
	case was != nil:
		d.note(name, call.ChangeModified)
		return false, nil
	case st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0 && d.stubs[name]:
		return true, nil
	default:
		d.note(name, call.ChangeAdded)
		return false, nil
	}
}

// subfolder compares a folder of the upper layer with what the image has there.
func (d *differ) subfolder(at *place, base, name string, how covering, st, was *unix.Stat_t) (stubbed bool, err error) { //nolint:revive // one name in three trees
	if d.depth >= maxDepth {
		return false, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: folders lie more than %d deep", printable(name), maxDepth))
	}
	in, hides, err := at.enter(base, was)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return false, nil // see name
	}
	if err != nil {
		return false, problem(name, err)
	}
	defer in.close()
	if hides {
		how = hidden
		if in.base, err = openat(at.base, base, unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
			return false, problem(name, err)
		}
	}
	kind := call.ChangeModified
	if was == nil {
		kind = call.ChangeAdded
	}
	d.note(name, kind)
	before := len(d.found)
	d.depth++
	stubbed, err = d.folder(in, name, how)
	d.depth--
	if err != nil || len(d.found) > before {
		return false, err
	}
	asItWas := was != nil && !hides && sameAttributes(st, was) && (stubbed || st.Mtim == was.Mtim)
	made := was == nil && d.stubs[name]
	if asItWas || made {
		d.found = d.found[:before-1]
	}
	return made, nil
}

// Usage is what the files below a folder take, in bytes: those with more than one name once, folders themselves not.
func Usage(ctx context.Context, dir *os.File) (int64, error) {
	u := usage{ctx: ctx, seen: map[inode]bool{}}
	err := u.folder(dir, "")
	return u.bytes, err
}

type usage struct {
	ctx   context.Context //nolint:containedctx // of one walk
	seen  map[inode]bool
	bytes int64
	depth int
}

func (u *usage) folder(dir *os.File, name string) error {
	if u.depth >= maxDepth {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: folders lie more than %d deep", printable(name), maxDepth))
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return problem(name, err)
	}
	u.depth++
	defer func() { u.depth-- }()
	for _, n := range names {
		if u.ctx.Err() != nil {
			return context.Cause(u.ctx)
		}
		if err := u.name(dir, n, path.Join(name, n)); err != nil {
			return err
		}
	}
	return nil
}

func (u *usage) name(dir *os.File, base, name string) error {
	st, err := statAt(dir, base)
	if st == nil || err != nil {
		return problem(name, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		f, err := openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return nil // it was another a moment ago
		}
		if err != nil {
			return problem(name, err)
		}
		defer f.Close() //nolint:errcheck // only read
		return u.folder(f, name)
	}
	if st.Nlink > 1 {
		id := inode{st.Dev, st.Ino}
		if u.seen[id] {
			return nil
		}
		u.seen[id] = true
	}
	u.bytes += st.Size
	return nil
}
