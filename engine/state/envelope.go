package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// An envelope is what a record looks like in the file:
//
//	0       1           5
//	┌───────┬───────────┬──────────┐
//	│version│CRC-32C LE │JSON      │
//	└───────┴───────────┴──────────┘
//
// The checksum also covers kind and key, so that a record under another's key is
// found out. Fields may be added to a record without a new version; readers ignore
// those that they do not know.
const (
	version      = 1
	envelopeSize = 5
)

// Reasons why a record cannot be read.
var (
	ErrDamaged = errors.New("damaged")
	// ErrNewer says that a later version wrote the record. It is left where it is.
	ErrNewer = errors.New("written by a newer version")
)

func encode(kind, key string, record any) ([]byte, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", kind, key, err)
	}
	b := make([]byte, envelopeSize, envelopeSize+len(text))
	b[0] = version
	binary.LittleEndian.PutUint32(b[1:], checksum(kind, key, text))
	return append(b, text...), nil
}

// decode returns the JSON in an envelope.
func decode(kind, key string, b []byte) ([]byte, error) {
	if len(b) < envelopeSize {
		return nil, fmt.Errorf("%w: %d bytes are no record", ErrDamaged, len(b))
	}
	if b[0] > version {
		return nil, fmt.Errorf("%w: %d, this one knows %d", ErrNewer, b[0], version)
	}
	if b[0] != version {
		return nil, fmt.Errorf("%w: version %d", ErrDamaged, b[0])
	}
	text := b[envelopeSize:]
	if got, want := checksum(kind, key, text), binary.LittleEndian.Uint32(b[1:]); got != want {
		return nil, fmt.Errorf("%w: checksum is %08x, not %08x", ErrDamaged, got, want)
	}
	return text, nil
}

func checksum(kind, key string, text []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum([]byte(kind+"\x00"+key+"\x00"), table)
	return crc32.Update(sum, table, text)
}
