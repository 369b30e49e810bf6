package nft

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// ChainName names a chain of anybody's.
type ChainName struct {
	Family Family
	Table  string
	Name   string
}

// StoredRule is a rule that is in a chain.
type StoredRule struct {
	Handle  uint64 // names the rule, within its chain
	Comment string // "": none, or one that only its owner's program can read
}

// Rules lists the rules of a chain in their order.
func (c *Conn) Rules(chain ChainName) ([]StoredRule, error) {
	var rules []StoredRule
	ask := func(w *wire) {
		w.header(header{
			kind: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE, flags: unix.NLM_F_DUMP, number: 1, family: chain.Family,
		})
		w.str(unix.NFTA_RULE_TABLE, chain.Table)
		w.str(unix.NFTA_RULE_CHAIN, chain.Name)
	}
	err := c.dump(ask, func() { rules = nil }, func(b []byte) {
		if r, ok := parseRule(b); ok {
			rules = append(rules, r)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list the rules of chain %s of table %s %s: %w", chain.Name, chain.Family, chain.Table, err)
	}
	return rules, nil
}

// parseRule reads a struct nfgenmsg and attributes.
func parseRule(b []byte) (StoredRule, bool) {
	if len(b) < genLen {
		return StoredRule{}, false
	}
	var r StoredRule
	eachAttr(b[genLen:], func(kind uint16, value []byte) {
		switch kind {
		case unix.NFTA_RULE_HANDLE:
			if len(value) == 8 {
				r.Handle = binary.BigEndian.Uint64(value)
			}
		case unix.NFTA_RULE_USERDATA:
			r.Comment = parseComment(value)
		}
	})
	return r, r.Handle != 0
}

// The user data of a rule are notes, each a kind, a length and that many bytes. Kind 0
// is a comment, with a zero byte at its end.
const noteComment = 0

func commentData(text string) []byte {
	text = text[:min(len(text), 127)] // the most that nft(8) reads
	return append(append([]byte{noteComment, byte(len(text) + 1)}, text...), 0)
}

func parseComment(b []byte) string {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		value := b[2 : 2+int(b[1])]
		if b[0] == noteComment {
			return unix.ByteSliceToString(value)
		}
		b = b[2+len(value):]
	}
	return ""
}
