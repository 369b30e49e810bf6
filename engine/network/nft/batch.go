package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Flags of tables and kinds of attributes that x/sys/unix does not have.
const (
	tableOwner   = 0x2 // Linux 5.12: only the socket that made it can change it
	tablePersist = 0x4 // Linux 6.9: it outlives that socket

	create = unix.NLM_F_CREATE | unix.NLM_F_EXCL

	maxElementsBytes = 32 << 10 // an attribute's length has 16 bits
)

// Ownership says who may change a table.
type Ownership uint32

// The ownerships. Shared tables can be changed and flushed by everybody; Owned ones
// by the connection that made them until it is closed, and they outlive it.
const (
	Shared Ownership = 0
	Owned  Ownership = tableOwner | tablePersist
)

// Batch is a transaction: all of it happens, or nothing. The zero value is empty.
type Batch struct {
	wire
	messages uint32
	last     int // offset of the last message
	setID    uint32
}

// RemoveTable removes the table of that family and name with all its content. The
// batch fails when there is none.
func (b *Batch) RemoveTable(t *Table) {
	b.message(unix.NFT_MSG_DELTABLE, 0, t.Family, func() { b.str(unix.NFTA_TABLE_NAME, t.Name) })
}

// AddTable makes a table with all its content. There must be none of that name.
func (b *Batch) AddTable(t *Table, own Ownership) {
	b.message(unix.NFT_MSG_NEWTABLE, create, t.Family, func() {
		b.str(unix.NFTA_TABLE_NAME, t.Name)
		b.u32(unix.NFTA_TABLE_FLAGS, uint32(own))
	})
	for i := range t.Sets {
		b.addSet(t, &t.Sets[i])
	}
	for i := range t.Chains {
		b.addChain(t, &t.Chains[i])
	}
	for i := range t.Sets {
		b.AddElements(t, t.Sets[i].Name, t.Sets[i].Elements)
	}
	for i := range t.Chains {
		c := &t.Chains[i]
		for _, r := range c.Rules {
			b.AddRule(ChainName{t.Family, t.Name, c.Name}, r, "")
		}
	}
}

// AddElements adds elements to a set of the table; those that are there already may
// be named again.
func (b *Batch) AddElements(t *Table, set string, elements []Element) {
	b.elements(unix.NFT_MSG_NEWSETELEM, t, set, elements)
}

// RemoveElements takes elements out of a set of the table. The batch fails when one
// is not there.
func (b *Batch) RemoveElements(t *Table, set string, elements []Element) {
	b.elements(unix.NFT_MSG_DELSETELEM, t, set, elements)
}

func (b *Batch) addSet(t *Table, s *Set) {
	b.setID++
	b.message(unix.NFT_MSG_NEWSET, create, t.Family, func() {
		b.str(unix.NFTA_SET_TABLE, t.Name)
		b.str(unix.NFTA_SET_NAME, s.Name)
		b.u32(unix.NFTA_SET_ID, b.setID)
		b.u32(unix.NFTA_SET_KEY_TYPE, typeNumber(s.Key))
		b.u32(unix.NFTA_SET_KEY_LEN, typeLen(s.Key))
		if len(s.Key) == 1 && s.Key[0] == TypeIfname {
			b.attr(unix.NFTA_SET_USERDATA, keyInHostOrder())
		}
		if s.Data == nil {
			return
		}
		b.u32(unix.NFTA_SET_FLAGS, unix.NFT_SET_MAP)
		b.u32(unix.NFTA_SET_DATA_TYPE, typeNumber(s.Data))
		b.u32(unix.NFTA_SET_DATA_LEN, typeLen(s.Data))
	})
}

func (b *Batch) addChain(t *Table, c *Chain) {
	b.message(unix.NFT_MSG_NEWCHAIN, create, t.Family, func() {
		b.str(unix.NFTA_CHAIN_TABLE, t.Name)
		b.str(unix.NFTA_CHAIN_NAME, c.Name)
		if c.Hook == nil {
			return
		}
		b.nest(unix.NFTA_CHAIN_HOOK, func() {
			at := c.Hook.At
			if at == Ingress {
				at = 0
			}
			b.u32(unix.NFTA_HOOK_HOOKNUM, uint32(at))
			b.u32(unix.NFTA_HOOK_PRIORITY, uint32(int32(c.Hook.Priority)))
			if c.Hook.Device != "" {
				b.str(unix.NFTA_HOOK_DEV, c.Hook.Device)
			}
		})
		b.str(unix.NFTA_CHAIN_TYPE, c.Hook.Type)
		b.u32(unix.NFTA_CHAIN_POLICY, uint32(Accept))
	})
}

// AddRule adds a rule to the end of a chain. A comment that is not empty is stored
// with it, as nft(8) and iptables-nft(8) store theirs.
func (b *Batch) AddRule(c ChainName, r Rule, comment string) {
	b.message(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, c.Family, func() {
		b.str(unix.NFTA_RULE_TABLE, c.Table)
		b.str(unix.NFTA_RULE_CHAIN, c.Name)
		b.nest(unix.NFTA_RULE_EXPRESSIONS, func() {
			e := expressions{wire: b.wire, table: c.Family}
			for _, s := range r {
				s.encode(&e)
			}
			b.wire = e.wire
		})
		if comment != "" {
			b.attr(unix.NFTA_RULE_USERDATA, commentData(comment))
		}
	})
}

// RemoveRule removes a rule, which Rules has found, from a chain.
func (b *Batch) RemoveRule(c ChainName, handle uint64) {
	b.message(unix.NFT_MSG_DELRULE, 0, c.Family, func() {
		b.str(unix.NFTA_RULE_TABLE, c.Table)
		b.str(unix.NFTA_RULE_CHAIN, c.Name)
		b.attr(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, handle))
	})
}

// elements splits long lists, since an attribute holds at most 64 KiB.
func (b *Batch) elements(kind int, t *Table, set string, elements []Element) {
	for len(elements) > 0 {
		taken := 0
		b.message(kind, unix.NLM_F_CREATE, t.Family, func() {
			b.str(unix.NFTA_SET_ELEM_LIST_TABLE, t.Name)
			b.str(unix.NFTA_SET_ELEM_LIST_SET, set)
			b.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func() {
				for start := len(b.b); taken < len(elements) && len(b.b)-start < maxElementsBytes; taken++ {
					b.element(elements[taken])
				}
			})
		})
		elements = elements[taken:]
	}
}

func (b *Batch) element(e Element) {
	b.nest(unix.NFTA_LIST_ELEM, func() {
		b.nest(unix.NFTA_SET_ELEM_KEY, func() { b.attr(unix.NFTA_DATA_VALUE, concat(e.Key)) })
		if e.Data != nil {
			b.nest(unix.NFTA_SET_ELEM_DATA, func() { b.attr(unix.NFTA_DATA_VALUE, concat(e.Data)) })
		}
	})
}

// message adds a message. Its sequence number is its place in the batch, from 1.
func (b *Batch) message(kind, flags int, f Family, attributes func()) {
	b.messages++
	b.last = len(b.b)
	b.header(header{
		kind: unix.NFNL_SUBSYS_NFTABLES<<8 | uint16(kind), flags: uint16(flags),
		number: b.messages, family: f,
	})
	attributes()
	binary.NativeEndian.PutUint32(b.b[b.last:], uint32(len(b.b)-b.last))
}

// header is a struct nlmsghdr and a struct nfgenmsg.
type header struct {
	kind     uint16
	flags    uint16
	number   uint32
	family   Family
	resource uint16
}

const headerLen = unix.SizeofNlMsghdr + 4

func (w *wire) header(h header) {
	w.b = binary.NativeEndian.AppendUint32(w.b, headerLen)
	w.b = binary.NativeEndian.AppendUint16(w.b, h.kind)
	w.b = binary.NativeEndian.AppendUint16(w.b, unix.NLM_F_REQUEST|h.flags)
	w.b = binary.NativeEndian.AppendUint32(w.b, h.number)
	w.b = binary.NativeEndian.AppendUint32(w.b, 0)
	w.b = append(w.b, byte(h.family), unix.NFNETLINK_V0)
	w.b = binary.BigEndian.AppendUint16(w.b, h.resource)
}

// concat lays values out as registers hold them: each begins a new one. A value
// alone is not padded.
func concat(values []Value) []byte {
	if len(values) == 1 {
		return values[0].data
	}
	var w wire
	for _, v := range values {
		w.b = append(w.b, v.data...)
		w.pad()
	}
	return w.b
}

func typeLen(types []Type) uint32 {
	if len(types) == 1 {
		return uint32(types[0].info().size)
	}
	n := uint32(0)
	for _, t := range types {
		n += 4 * t.registers()
	}
	return n
}

// keyInHostOrder is a note for nft(8), without which it lists names as numbers: kind
// (0), length, value (1).
func keyInHostOrder() []byte {
	return binary.NativeEndian.AppendUint32([]byte{0, 4}, 1)
}

// typeNumber is what nft(8) calls the type: six bits for each part.
func typeNumber(types []Type) uint32 {
	n := uint32(0)
	for _, t := range types {
		n = n<<6 | t.info().number
	}
	return n
}
