package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// BaseChain is a chain of anybody's that the kernel enters by itself.
type BaseChain struct {
	Family Family
	Table  string
	Name   string
	At     Point
	// Policy is what becomes of a packet that no rule of the chain decides about.
	Policy Verdict
}

// BaseChains lists the base chains of all tables.
func (c *Conn) BaseChains() ([]BaseChain, error) {
	var chains []BaseChain
	ask := func(w *wire) {
		w.header(header{kind: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETCHAIN, flags: unix.NLM_F_DUMP, number: 1})
	}
	err := c.dump(ask, func() { chains = nil }, func(b []byte) {
		if chain, ok := parseChain(b); ok {
			chains = append(chains, chain)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list the chains of nftables: %w", err)
	}
	return chains, nil
}

// dumpsAtMost bounds how often a list is asked for that changes while it is read.
const dumpsAtMost = 100

// dump asks for a list and goes through it: begin comes first, then each. A list that
// changed meanwhile is begun again (EAGAIN, or NLM_F_DUMP_INTR; netlink(7)).
func (c *Conn) dump(ask func(*wire), begin func(), each func([]byte)) error {
	var w wire
	ask(&w)
	binary.NativeEndian.PutUint32(w.b, uint32(len(w.b)))
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	for range dumpsAtMost {
		begin()
		if err = unix.Sendto(c.fd, w.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		if err = c.list(each); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return err
}

// list reads the answer to a dump. It is EINTR when the list has changed meanwhile.
func (c *Conn) list(each func([]byte)) error {
	var whole error
	for {
		messages, err := c.receive()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Header.Flags&unix.NLM_F_DUMP_INTR != 0 {
				whole = unix.EINTR
			}
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				return whole
			case unix.NLMSG_ERROR:
				return refusal(m)
			}
			each(m.Data)
		}
	}
}

func (c *Conn) receive() ([]syscall.NetlinkMessage, error) {
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the answer of nftables: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(c.buf[:n])
		if err != nil {
			return nil, fmt.Errorf("read the answer of nftables: %w", err)
		}
		return messages, nil
	}
}

// genLen is the size of a struct nfgenmsg, which attributes follow.
const genLen = headerLen - unix.SizeofNlMsghdr

// parseChain reads a struct nfgenmsg and attributes. A chain that is no base chain
// has no hook.
func parseChain(b []byte) (BaseChain, bool) {
	if len(b) < genLen {
		return BaseChain{}, false
	}
	chain := BaseChain{Family: Family(b[0])}
	hooked := false
	eachAttr(b[genLen:], func(kind uint16, value []byte) {
		switch kind {
		case unix.NFTA_CHAIN_TABLE:
			chain.Table = unix.ByteSliceToString(value)
		case unix.NFTA_CHAIN_NAME:
			chain.Name = unix.ByteSliceToString(value)
		case unix.NFTA_CHAIN_POLICY:
			chain.Policy = Verdict(number(value))
		case unix.NFTA_CHAIN_HOOK:
			hooked = true
			eachAttr(value, func(kind uint16, value []byte) {
				if kind == unix.NFTA_HOOK_HOOKNUM {
					chain.At = Point(number(value))
				}
			})
		}
	})
	if chain.Family == Netdev {
		chain.At = Ingress
	}
	return chain, hooked
}

func number(b []byte) uint32 {
	if len(b) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// eachAttr goes through netlink attributes, up to the first that is malformed.
func eachAttr(b []byte, do func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return
		}
		do(binary.NativeEndian.Uint16(b[2:])&^unix.NLA_F_NESTED, b[unix.SizeofNlAttr:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}
