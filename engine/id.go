package engine

import (
	"crypto/rand"
	"encoding/hex"
)

// NewID makes a random identifier of 64 hex digits.
func NewID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails, since Go 1.24
	return hex.EncodeToString(b[:])
}
