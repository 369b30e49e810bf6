package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Conn is a netlink socket to the nftables of one network namespace. It may be used
// by several goroutines.
type Conn struct {
	mu  sync.Mutex
	fd  int
	id  uint32 // of the socket: what it changes is announced with it
	buf [16 << 10]byte
}

// sendBuffer has room for a batch with some ten thousand elements.
const sendBuffer = 4 << 20

// Dial opens a connection to the network namespace of the calling thread.
func Dial() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	c := &Conn{fd: fd}
	// Each makes errors and long batches better, and is missed by nobody else.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind a netlink socket: %w", err), unix.Close(fd))
	}
	if c.id, err = socketID(fd); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return c, nil
}

func socketID(fd int) (uint32, error) {
	name, err := unix.Getsockname(fd)
	if addr, ok := name.(*unix.SockaddrNetlink); ok && err == nil {
		return addr.Pid, nil
	}
	return 0, fmt.Errorf("identify a netlink socket: %w", err)
}

// Close closes the socket. Owned tables stay, and can then be adopted.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return os.NewSyscallError("close", unix.Close(c.fd))
}

// Apply carries out the batch. The error of the kernel is in the chain (as a
// syscall.Errno): ENOENT for what is not there, EPERM for another's table.
func (c *Conn) Apply(b *Batch) error {
	if b.messages == 0 {
		return nil
	}
	// The last message is the one that the kernel confirms, once all is done.
	flags := b.b[b.last+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)

	var w wire
	w.header(header{kind: unix.NFNL_MSG_BATCH_BEGIN, resource: unix.NFNL_SUBSYS_NFTABLES})
	w.b = append(w.b, b.b...)
	w.header(header{kind: unix.NFNL_MSG_BATCH_END, number: b.messages + 1, resource: unix.NFNL_SUBSYS_NFTABLES})

	c.mu.Lock()
	defer c.mu.Unlock()
	if err := unix.Sendto(c.fd, w.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send a batch to nftables: %w", err)
	}
	return c.outcome(b.messages)
}

// Has says whether there is a table of that family and name. To ask is much cheaper
// than to try: a refused batch that had begun to make things waits for all of the
// kernel's readers (some 10 ms).
func (c *Conn) Has(t *Table) (bool, error) {
	var w wire
	w.header(header{kind: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE, flags: unix.NLM_F_ACK, number: 1, family: t.Family})
	w.str(unix.NFTA_TABLE_NAME, t.Name)
	binary.NativeEndian.PutUint32(w.b, uint32(len(w.b)))

	c.mu.Lock()
	defer c.mu.Unlock()
	if err := unix.Sendto(c.fd, w.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, fmt.Errorf("ask nftables for a table: %w", err)
	}
	err := c.outcome(1)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// outcome reads what the kernel has to say of a batch. It has been carried out, or
// refused, before sendto returned; each refused message is answered, and the first
// answer is the reason. An answer to number 0 is about the batch itself.
func (c *Conn) outcome(last uint32) error {
	var failure error
	for {
		messages, err := c.receive()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Header.Type != unix.NLMSG_ERROR {
				continue
			}
			if failure == nil {
				failure = refusal(m)
			}
			if m.Header.Seq == last || m.Header.Seq == 0 {
				return failure
			}
		}
	}
}

// refusal reads a struct nlmsgerr: a negative errno, the header of the message that
// it answers, and attributes with the kernel's words.
func refusal(m syscall.NetlinkMessage) error {
	const fixed = 4 + unix.SizeofNlMsghdr
	if len(m.Data) < fixed {
		return fmt.Errorf("read the answer of nftables: %w", unix.EBADMSG)
	}
	code := int32(binary.NativeEndian.Uint32(m.Data))
	if code == 0 {
		return nil
	}
	err := error(syscall.Errno(-code))
	if m.Header.Flags&unix.NLM_F_ACK_TLVS != 0 {
		if words := explanation(m.Data[fixed:]); words != "" {
			err = fmt.Errorf("%w (%s)", err, words)
		}
	}
	return fmt.Errorf("change nftables: message %d: %w", m.Header.Seq, err)
}

func explanation(attrs []byte) string {
	words := ""
	eachAttr(attrs, func(kind uint16, value []byte) {
		if kind == unix.NLMSGERR_ATTR_MSG {
			words = unix.ByteSliceToString(value)
		}
	})
	return words
}
