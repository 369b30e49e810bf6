package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Secret is one of the engine's own store, without its content.
type Secret struct {
	ID      string
	Name    string
	Labels  map[string]string `json:",omitempty"`
	Created time.Time
}

// FindSecret finds a secret by its name, its ID, or what only one ID begins with.
//
// Errors: ErrNotFound, ErrInvalid.
func FindSecret(list []Secret, ref string) (Secret, error) {
	whole := slices.IndexFunc(list, func(s Secret) bool { return s.Name == ref || s.ID == ref })
	if whole >= 0 {
		return list[whole], nil
	}
	var found []Secret
	for _, s := range list {
		if ref != "" && strings.HasPrefix(s.ID, ref) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return Secret{}, Problem(ErrNotFound, fmt.Errorf("no such secret: %s", ref))
	case 1:
		return found[0], nil
	default:
		return Secret{}, Problem(ErrInvalid, fmt.Errorf("%d secrets have IDs that begin with %s", len(found), ref))
	}
}
