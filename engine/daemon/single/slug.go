package single

import (
	"crypto/rand"
	"encoding/hex"
)

// NewSlug makes the end of a one-off's name.
func NewSlug() string {
	var b [6]byte
	rand.Read(b[:]) // crypto/rand.Read never returns an error (Go 1.24)
	return hex.EncodeToString(b[:])
}
