package program

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// block is one piece of the data section; the kind is for printing.
type block struct {
	at   Data
	size int
	kind blockKind
}

type blockKind uint8

const (
	blockString blockKind = iota
	blockBytes
	blockScratch
	blockPointers
)

// reloc is a place in the data section that holds the address of another one.
type reloc struct {
	slot   Data
	target Data
}

// Str puts a NUL-terminated string into the data section; the same string once.
func (b *Builder) Str(s string) Data {
	if d, ok := b.strings[s]; ok {
		return d
	}
	if strings.IndexByte(s, 0) >= 0 {
		b.fail(strconv.Quote(s), " holds a NUL")
	}
	d := b.alloc(append([]byte(s), 0), blockString, 1)
	if b.strings == nil {
		b.strings = map[string]Data{}
	}
	b.strings[s] = d
	return d
}

// Bytes puts a copy of raw into the data section, aligned to eight: a structure, a
// filter, a content to be written.
func (b *Builder) Bytes(raw []byte) Data { return b.alloc(raw, blockBytes, 8) }

// Scratch reserves size zero bytes, aligned to eight, for a call to write to.
func (b *Builder) Scratch(size int) Data { return b.alloc(make([]byte, size), blockScratch, 8) }

// Ptrs puts the strings and a NULL-terminated array of their addresses into the data
// section, as execve wants argv and envp.
func (b *Builder) Ptrs(list []string) Data {
	d := b.alloc(make([]byte, pointerSize*(len(list)+1)), blockPointers, 8)
	for i, s := range list {
		b.Point(d, i*pointerSize, b.Str(s))
	}
	return d
}

// Point makes the eight bytes at offset in the block d hold the address of target.
func (b *Builder) Point(d Data, offset int, target Data) {
	b.p.relocs = append(b.p.relocs, reloc{d + Data(offset), target})
}

// pointerSize is the size of an address in the data section: all of Linux's 64-bit
// architectures, and no other is built for.
const pointerSize = 8

// SendDescriptor adds the step that sends the descriptor in fd, with one byte
// of payload, over the unix socket in socket: how a child hands out its terminal.
func (b *Builder) SendDescriptor(label string, socket, fd Reg) *Step {
	payload := b.Bytes([]byte{0})
	iov := b.Bytes(make([]byte, unsafe.Sizeof(unix.Iovec{})))
	b.Point(iov, int(unsafe.Offsetof(unix.Iovec{}.Base)), payload)
	binary.LittleEndian.PutUint64(b.p.data[iov+Data(unsafe.Offsetof(unix.Iovec{}.Len)):], 1)

	control := make([]byte, unix.CmsgSpace(4))
	binary.LittleEndian.PutUint64(control, uint64(unix.CmsgLen(4)))
	binary.LittleEndian.PutUint32(control[8:], unix.SOL_SOCKET)
	binary.LittleEndian.PutUint32(control[12:], unix.SCM_RIGHTS)
	cmsg := b.Bytes(control)
	b.Store32(fd, cmsg+Data(unix.CmsgLen(0)))

	var header unix.Msghdr
	raw := make([]byte, unsafe.Sizeof(header))
	binary.LittleEndian.PutUint64(raw[unsafe.Offsetof(header.Iovlen):], 1)
	binary.LittleEndian.PutUint64(raw[unsafe.Offsetof(header.Controllen):], uint64(len(control)))
	msg := b.Bytes(raw)
	b.Point(msg, int(unsafe.Offsetof(header.Iov)), iov)
	b.Point(msg, int(unsafe.Offsetof(header.Control)), cmsg)
	return b.Call(label, unix.SYS_SENDMSG, socket, msg, Imm(unix.MSG_NOSIGNAL))
}

// alloc appends raw to the data section.
func (b *Builder) alloc(raw []byte, k blockKind, align int) Data {
	for len(b.p.data)%align != 0 {
		b.p.data = append(b.p.data, 0)
	}
	d := Data(len(b.p.data))
	b.p.data = append(b.p.data, raw...)
	b.p.blocks = append(b.p.blocks, block{d, len(raw), k})
	return d
}
