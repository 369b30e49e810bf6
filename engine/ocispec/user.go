package ocispec

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/moby/sys/user"

	"tiffin/engine"
)

// Identity is who a process is, in numbers.
type Identity struct {
	UID, GID uint32
	// Groups are all groups, the primary one first.
	Groups []uint32
	Home   string // "" is unknown
}

// User is what decides whose identity the first process of a container takes.
func User(c *engine.Container) string {
	if c.Spec.User != "" {
		return c.Spec.User
	}
	return c.Image.User
}

// Lookup finds a user ("user", "uid", "user:group" …; "" is root) in the content of the
// container's passwd and group files, of which either may be nil. The files are the
// image's, so nothing in them is trusted: numbers beyond 2³¹-1 are refused.
//
// Errors: engine.ErrInvalid, in the words of Docker.
func Lookup(spec string, passwd, group io.ReadSeeker, groupAdd []string) (Identity, error) {
	found, err := user.GetExecUser(spec, nil, reader(passwd), reader(group))
	if err != nil {
		return Identity{}, engine.Problem(engine.ErrInvalid, err)
	}
	if group != nil {
		if _, err := group.Seek(0, io.SeekStart); err != nil {
			return Identity{}, err
		}
	}
	more, err := user.GetAdditionalGroups(groupAdd, reader(group))
	if err != nil {
		return Identity{}, engine.Problem(engine.ErrInvalid, err)
	}
	rest := slices.Concat(found.Sgids, more)
	slices.Sort(rest)
	id := Identity{Home: found.Home}
	if id.UID, err = number(spec, found.Uid); err != nil {
		return Identity{}, err
	}
	for _, gid := range append([]int{found.Gid}, slices.Compact(rest)...) {
		g, err := number(spec, gid)
		if err != nil {
			return Identity{}, err
		}
		if !slices.Contains(id.Groups, g) {
			id.Groups = append(id.Groups, g)
		}
	}
	id.GID = id.Groups[0]
	return id, nil
}

// reader keeps a missing file from becoming an interface that is not nil.
func reader(r io.ReadSeeker) io.Reader {
	if r == nil {
		return nil
	}
	return r
}

func number(spec string, id int) (uint32, error) {
	if id < 0 || id > math.MaxInt32 {
		return 0, engine.Problem(engine.ErrInvalid, fmt.Errorf("user %q has the number %d, which is not one of 0 to %d", spec, id, math.MaxInt32))
	}
	return uint32(id), nil
}
