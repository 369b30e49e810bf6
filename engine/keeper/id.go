package keeper

import "errors"

// ID names a process: a container's or an exec's id, padded with NUL.
type ID [64]byte

// ErrID says that a text cannot be an [ID].
var ErrID = errors.New("an id is 1 to 64 letters, digits, '-' and '_'")

// ParseID makes an ID of a text. Since an ID is also the name of a file, there are
// only letters, digits, '-' and '_' in it.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) > len(id) {
		return ID{}, ErrID
	}
	copy(id[:], s)
	if !id.valid() {
		return ID{}, ErrID
	}
	return id, nil
}

// String is the text that the ID was made of.
func (id ID) String() string { return string(id[:id.length()]) }

func (id *ID) length() int {
	n := 0
	for n < len(id) && id[n] != 0 {
		n++
	}
	return n
}

func (id *ID) valid() bool {
	n := id.length()
	for _, c := range id[:n] {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	for _, c := range id[n:] {
		if c != 0 {
			return false
		}
	}
	return n > 0
}
