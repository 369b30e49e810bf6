package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	verdictReg = unix.NFT_REG_VERDICT
	firstReg   = unix.NFT_REG32_00

	// Of linux/netfilter/nf_tables.h, missing in x/sys/unix.
	natTypeSNAT    = 0
	natTypeDNAT    = 1
	lookupInverted = 1
)

// wire builds netlink attributes; see netlink(7). Numbers of nftables are big endian.
type wire struct{ b []byte }

func (w *wire) attr(kind int, data []byte) {
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(4+len(data)))
	w.b = binary.NativeEndian.AppendUint16(w.b, uint16(kind))
	w.b = append(w.b, data...)
	w.pad()
}

func (w *wire) str(kind int, s string) { w.attr(kind, append([]byte(s), 0)) }

func (w *wire) u32(kind int, v uint32) { w.attr(kind, binary.BigEndian.AppendUint32(nil, v)) }

// nest writes an attribute whose content is attributes.
func (w *wire) nest(kind int, content func()) {
	start := len(w.b)
	w.attr(kind|unix.NLA_F_NESTED, nil)
	content()
	binary.NativeEndian.PutUint16(w.b[start:], uint16(len(w.b)-start))
}

func (w *wire) pad() {
	for len(w.b)%4 != 0 {
		w.b = append(w.b, 0)
	}
}

// expressions encodes the statements of one rule.
type expressions struct {
	wire
	table Family
	known Family // the family that the rule has already matched on, in an inet table
}

func (e *expressions) expr(name string, content func()) {
	e.nest(unix.NFTA_LIST_ELEM, func() {
		e.str(unix.NFTA_EXPR_NAME, name)
		e.nest(unix.NFTA_EXPR_DATA, content)
	})
}

// load puts fields into registers, one after the other from the first.
func (e *expressions) load(fields ...Field) {
	for _, f := range fields {
		e.require(f.info().family)
	}
	reg := uint32(firstReg)
	for _, f := range fields {
		e.loadInto(reg, f.info())
		reg += f.info().typ.registers()
	}
}

func (e *expressions) loadInto(reg uint32, f fieldInfo) {
	switch f.from {
	case fromMeta:
		e.expr("meta", func() {
			e.u32(unix.NFTA_META_KEY, f.key)
			e.u32(unix.NFTA_META_DREG, reg)
		})
	case fromConntrack:
		e.expr("ct", func() {
			e.u32(unix.NFTA_CT_KEY, f.key)
			e.u32(unix.NFTA_CT_DREG, reg)
		})
	case fromNetworkHeader, fromTransportHeader:
		e.expr("payload", func() {
			e.u32(unix.NFTA_PAYLOAD_DREG, reg)
			e.place(f)
		})
	}
}

func (e *expressions) place(f fieldInfo) {
	base := uint32(unix.NFT_PAYLOAD_NETWORK_HEADER)
	if f.from == fromTransportHeader {
		base = unix.NFT_PAYLOAD_TRANSPORT_HEADER
	}
	e.u32(unix.NFTA_PAYLOAD_BASE, base)
	e.u32(unix.NFTA_PAYLOAD_OFFSET, f.key)
	e.u32(unix.NFTA_PAYLOAD_LEN, uint32(f.typ.info().size))
}

// require lets only packets of a family pass: a table that sees several would else
// look for an address in another family's header.
func (e *expressions) require(family Family) {
	if family == 0 || family == e.known || e.table == family {
		return
	}
	e.known = family
	if e.table == Netdev {
		e.meta(unix.NFT_META_PROTOCOL, binary.BigEndian.AppendUint16(nil, etherType(family)))
		return
	}
	e.meta(unix.NFT_META_NFPROTO, []byte{byte(family)})
}

func (e *expressions) meta(key uint32, want []byte) {
	e.expr("meta", func() {
		e.u32(unix.NFTA_META_KEY, key)
		e.u32(unix.NFTA_META_DREG, firstReg)
	})
	e.compare(unix.NFT_CMP_EQ, want)
}

func etherType(f Family) uint16 {
	if f == IPv6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}

// compare compares the first register.
func (e *expressions) compare(op uint32, with []byte) {
	e.expr("cmp", func() {
		e.u32(unix.NFTA_CMP_SREG, firstReg)
		e.u32(unix.NFTA_CMP_OP, op)
		e.data(unix.NFTA_CMP_DATA, with)
	})
}

func (e *expressions) data(kind int, value []byte) {
	e.nest(kind, func() { e.attr(unix.NFTA_DATA_VALUE, value) })
}

// mask leaves only some bits of the first register.
func (e *expressions) mask(bits []byte) {
	e.expr("bitwise", func() {
		e.u32(unix.NFTA_BITWISE_SREG, firstReg)
		e.u32(unix.NFTA_BITWISE_DREG, firstReg)
		e.u32(unix.NFTA_BITWISE_LEN, uint32(len(bits)))
		e.data(unix.NFTA_BITWISE_MASK, bits)
		e.data(unix.NFTA_BITWISE_XOR, make([]byte, len(bits)))
	})
}

func (e *expressions) lookup(set string, attributes func()) {
	e.expr("lookup", func() {
		e.str(unix.NFTA_LOOKUP_SET, set)
		e.u32(unix.NFTA_LOOKUP_SREG, firstReg)
		attributes()
	})
}

func (s Is) encode(e *expressions) {
	e.load(s.Field)
	e.compare(unix.NFT_CMP_EQ, s.Value.data)
}

func (s Not) encode(e *expressions) {
	e.load(s.Field)
	e.compare(unix.NFT_CMP_NEQ, s.Value.data)
}

func (s Begins) encode(e *expressions) {
	e.load(s.Field)
	e.compare(unix.NFT_CMP_EQ, []byte(s.Text)) // without a zero byte: the rest may be anything
}

func (s OfFamily) encode(e *expressions) { e.require(s.Family) }

func (s Within) encode(e *expressions) {
	e.load(s.Field)
	e.mask(maskOf(s.Prefix.Addr().BitLen(), s.Prefix.Bits()))
	e.compare(unix.NFT_CMP_EQ, s.Prefix.Masked().Addr().AsSlice())
}

func (s Outside) encode(e *expressions) {
	e.load(s.Field)
	e.mask(maskOf(s.Prefix.Addr().BitLen(), s.Prefix.Bits()))
	e.compare(unix.NFT_CMP_NEQ, s.Prefix.Masked().Addr().AsSlice())
}

func (s Any) encode(e *expressions) {
	var bits uint32
	for _, f := range s.Flags {
		bits |= f.bit
	}
	e.load(s.Field)
	e.mask(binary.NativeEndian.AppendUint32(nil, bits))
	e.compare(unix.NFT_CMP_NEQ, make([]byte, 4))
}

func (s In) encode(e *expressions) {
	e.load(s.Fields...)
	e.lookup(s.Set, func() {})
}

func (s NotIn) encode(e *expressions) {
	e.load(s.Fields...)
	e.lookup(s.Set, func() { e.u32(unix.NFTA_LOOKUP_FLAGS, lookupInverted) })
}

func (ToHost) encode(e *expressions) {
	e.fib(unix.NFT_FIB_RESULT_ADDRTYPE, unix.NFTA_FIB_F_DADDR)
	e.compare(unix.NFT_CMP_EQ, binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL))
}

func (NotFromHost) encode(e *expressions) {
	e.fib(unix.NFT_FIB_RESULT_ADDRTYPE, unix.NFTA_FIB_F_SADDR)
	e.compare(unix.NFT_CMP_NEQ, binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL))
}

func (Spoofed) encode(e *expressions) {
	e.fib(unix.NFT_FIB_RESULT_OIF, unix.NFTA_FIB_F_SADDR|unix.NFTA_FIB_F_IIF)
	e.compare(unix.NFT_CMP_EQ, make([]byte, 4))
}

// fib asks the host's routes.
func (e *expressions) fib(result, flags uint32) {
	e.expr("fib", func() {
		e.u32(unix.NFTA_FIB_DREG, firstReg)
		e.u32(unix.NFTA_FIB_RESULT, result)
		e.u32(unix.NFTA_FIB_FLAGS, flags)
	})
}

func (s Rewrite) encode(e *expressions) {
	e.expr("immediate", func() {
		e.u32(unix.NFTA_IMMEDIATE_DREG, firstReg)
		e.data(unix.NFTA_IMMEDIATE_DATA, s.Value.data)
	})
	e.expr("payload", func() {
		e.u32(unix.NFTA_PAYLOAD_SREG, firstReg)
		e.place(s.Field.info())
		// The checksum of TCP and of UDP covers the ports; its place differs.
		e.u32(unix.NFTA_PAYLOAD_CSUM_TYPE, unix.NFT_PAYLOAD_CSUM_INET)
		e.u32(unix.NFTA_PAYLOAD_CSUM_OFFSET, s.checksum())
	})
}

func (s Rewrite) checksum() uint32 {
	if s.Over.text == TCP.text {
		return 16
	}
	return 6
}

func (s DNAT) encode(e *expressions) {
	e.require(s.Family)
	e.load(s.Fields...)
	e.lookup(s.Map, func() { e.u32(unix.NFTA_LOOKUP_DREG, firstReg) })
	addr := TypeIPv4
	if s.Family == IPv6 {
		addr = TypeIPv6
	}
	e.expr("nat", func() {
		e.u32(unix.NFTA_NAT_TYPE, natTypeDNAT)
		e.u32(unix.NFTA_NAT_FAMILY, uint32(s.Family))
		e.u32(unix.NFTA_NAT_REG_ADDR_MIN, firstReg)
		e.u32(unix.NFTA_NAT_REG_PROTO_MIN, firstReg+addr.registers())
	})
}

func (Counter) encode(e *expressions) { e.expr("counter", func() {}) }
func (s SNAT) encode(e *expressions) {
	e.require(s.Family)
	e.load(s.Fields...)
	e.lookup(s.Map, func() { e.u32(unix.NFTA_LOOKUP_DREG, firstReg) })
	e.expr("nat", func() {
		e.u32(unix.NFTA_NAT_TYPE, natTypeSNAT)
		e.u32(unix.NFTA_NAT_FAMILY, uint32(s.Family))
		e.u32(unix.NFTA_NAT_REG_ADDR_MIN, firstReg)
	})
}

func (Masquerade) encode(e *expressions) { e.expr("masq", func() {}) }

func (v Verdict) encode(e *expressions) {
	e.expr("immediate", func() {
		e.u32(unix.NFTA_IMMEDIATE_DREG, verdictReg)
		e.nest(unix.NFTA_IMMEDIATE_DATA, func() {
			e.nest(unix.NFTA_DATA_VERDICT, func() { e.u32(unix.NFTA_VERDICT_CODE, uint32(int32(v))) })
		})
	})
}

// maskOf makes a mask of the first ones bits.
func maskOf(bits, ones int) []byte {
	m := make([]byte, bits/8)
	for i := range ones {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}
