//nolint:gosec // G103: this file deals in addresses.
package program

import (
	"syscall"
	"unsafe"
)

// MaxSize is the most bytes that an encoded program may have: the two megabytes of
// arguments and environment that execve takes by default, and as much again.
const MaxSize = 4 << 20

// An encoded program lies in memory as it is run, in this order:
//
//	header │ ops │ relocations │ data
//
// Everything is little endian, as is every machine that this is built for, and
// every part begins at a multiple of eight.
type header struct {
	magic  uint32
	inputs uint32 // descriptors that come with the program
	ops    uint32
	relocs uint32
	data   uint32 // bytes
	_      uint32
}

// magic says "program, version 1".
const magic uint32 = 'P' | 'G'<<8 | 1<<16

const (
	headerSize = int(unsafe.Sizeof(header{}))
	opSize     = int(unsafe.Sizeof(op{}))
	relocSize  = int(unsafe.Sizeof(reloc{}))
)

// opKind says what an op does.
type opKind uint8

const (
	opCall        opKind = iota // out = nr(args…)
	opJump                      // skip
	opJumpEqual                 // skip if args[0] == args[1]
	opJumpUnequal               // skip if args[0] != args[1]
	opStore32                   // data[args[1]] = args[0]
	opLoad32                    // out = data[args[0]]
	opExit                      // exit(args[0])
	opFail                      // as a call that gives errno args[0]
	opReportPid                 // report args[0]
)

// op is one step as it is encoded.
type op struct {
	nr        uint32 // of the system call
	kind      opKind
	modes     [6]mode // of the args
	_         uint8
	out       uint16 // register for the result, or noRegister
	skip      uint16 // steps left out after a tolerated errno, or by a jump
	tolerated [4]uint16
	args      [6]uint64
}

const noRegister = 0xFFFF

func (o *op) set(i int, a Arg) {
	v := a.operand()
	o.modes[i], o.args[i] = v.mode, v.value
}

// tolerate adds e to the tolerated errnos, if there is room.
func (o *op) tolerate(e syscall.Errno) bool {
	for i, t := range o.tolerated {
		if t == 0 {
			o.tolerated[i] = uint16(e)
			return true
		}
	}
	return false
}

// size is how many bytes Encode returns.
func (p *Program) size() int {
	return headerSize + len(p.ops)*opSize + len(p.relocs)*relocSize + len(p.data)
}

// Encode returns the program as [Code.Load] takes it.
func (p *Program) Encode() []byte {
	h := header{
		magic:  magic,
		inputs: uint32(p.inputs),
		ops:    uint32(len(p.ops)),
		relocs: uint32(len(p.relocs)),
		data:   uint32(len(p.data)),
	}
	b := make([]byte, 0, p.size())
	b = append(b, bytesOf([]header{h})...)
	b = append(b, bytesOf(p.ops)...)
	b = append(b, bytesOf(p.relocs)...)
	return append(b, p.data...)
}

// bytesOf is the memory of list. T holds no pointers.
func bytesOf[T header | op | reloc](list []T) []byte {
	size := uintptr(len(list)) * unsafe.Sizeof(*new(T))
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), size)
}
