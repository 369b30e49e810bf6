package nft

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Watch hears of what others change in the nftables of one network namespace.
type Watch struct {
	file *os.File
	raw  syscall.RawConn
	own  uint32
	buf  [16 << 10]byte
}

// Changes are what others have changed since one asked before.
type Changes struct {
	// Missed says that there was more than the kernel kept: everything may have changed.
	Missed bool
	// Tables are those that were changed, or something in them.
	Tables map[TableName]bool
}

// TableName names a table of anybody's.
type TableName struct {
	Family Family
	Name   string
}

// watchBuffer is for what others change at one stroke, some ten thousand rules. What
// does not fit is not lost: see Changes.Missed.
const watchBuffer = 8 << 20

// NewWatch begins to watch the network namespace of the calling thread. What own
// changes is not told.
func NewWatch(own *Conn) (*Watch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	w := &Watch{file: os.NewFile(uintptr(fd), "nftables"), own: own.id}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchBuffer) // without it more is missed
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES)
	}
	if err == nil {
		w.raw, err = w.file.SyscallConn()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch nftables: %w", err), w.file.Close())
	}
	return w, nil
}

// Close ends the watch, and a Next that waits.
func (w *Watch) Close() error { return w.file.Close() }

// Next waits until others have changed something. What comes at one stroke is told at
// one stroke. The error is os.ErrClosed after Close.
func (w *Watch) Next() (Changes, error) {
	c := Changes{Tables: map[TableName]bool{}}
	for {
		var failure error
		err := w.raw.Read(func(fd uintptr) bool {
			more := true
			for more {
				more, failure = w.receive(int(fd), &c)
			}
			return failure != nil || c.Missed || len(c.Tables) > 0
		})
		if err != nil { // there is no other reason, and the runtime's word for it is not exported
			failure = os.ErrClosed
		}
		if failure != nil {
			return c, fmt.Errorf("watch nftables: %w", failure)
		}
		if c.Missed || len(c.Tables) > 0 {
			return c, nil
		}
	}
}

// receive reads one packet of messages, and says whether there may be more.
func (w *Watch) receive(fd int, c *Changes) (bool, error) {
	n, _, err := unix.Recvfrom(fd, w.buf[:], 0)
	switch {
	case errors.Is(err, unix.EINTR):
		return true, nil
	case errors.Is(err, unix.EAGAIN):
		return false, nil
	case errors.Is(err, unix.ENOBUFS):
		c.Missed = true
		return true, nil
	case err != nil:
		return false, os.NewSyscallError("recvfrom", err)
	}
	c.read(w.buf[:n], w.own)
	return true, nil
}

// read notes what a packet of messages tells, but for what the socket own has done.
func (c *Changes) read(b []byte, own uint32) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		c.Missed = true
		return
	}
	for _, m := range messages {
		if t, ok := parseTableName(m); ok && m.Header.Pid != own {
			c.Tables[t] = true
		}
	}
}

// parseTableName finds the table that a message is about. In messages on tables,
// chains, rules, sets and elements alike its name is the first kind of attribute.
func parseTableName(m syscall.NetlinkMessage) (TableName, bool) {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || m.Header.Type&0xff == unix.NFT_MSG_NEWGEN || len(m.Data) < genLen {
		return TableName{}, false
	}
	t := TableName{Family: Family(m.Data[0])}
	eachAttr(m.Data[genLen:], func(kind uint16, value []byte) {
		if kind == unix.NFTA_TABLE_NAME {
			t.Name = unix.ByteSliceToString(value)
		}
	})
	return t, t.Name != ""
}
