//nolint:gosec // G103: this file deals in addresses.
package program

import (
	"errors"
	"unsafe"
)

// ErrInvalid says that the bytes are no program, or one that would read or write
// outside of its own memory.
var ErrInvalid = errors.New("not a program")

// Code is a program that has been checked and can be run. It is the memory it was
// loaded from: that must stay as it is for as long as the Code is used.
type Code struct {
	ops    []op
	data   []byte
	inputs int
}

// Inputs is how many descriptors the program is to be given.
func (c *Code) Inputs() int { return c.inputs }

// Load checks an encoded program and prepares it in place, without allocating. The
// memory must begin at a multiple of eight. After an error c is not to be used.
func (c *Code) Load(blob []byte) error {
	if len(blob) < headerSize || len(blob) > MaxSize || uintptr(unsafe.Pointer(&blob[0]))%8 != 0 {
		return ErrInvalid
	}
	h := (*header)(unsafe.Pointer(&blob[0]))
	if h.magic != magic || h.inputs > MaxInputs || h.ops == 0 {
		return ErrInvalid
	}
	opsEnd := int64(headerSize) + int64(h.ops)*int64(opSize)
	relocsEnd := opsEnd + int64(h.relocs)*int64(relocSize)
	if relocsEnd+int64(h.data) != int64(len(blob)) {
		return ErrInvalid
	}
	c.inputs = int(h.inputs)
	c.ops = sliceOf[op](blob[headerSize:opsEnd], int(h.ops))
	c.data = blob[relocsEnd:]
	for i := range c.ops {
		if !c.valid(i) {
			return ErrInvalid
		}
	}
	return c.relocate(sliceOf[reloc](blob[opsEnd:relocsEnd], int(h.relocs)))
}

// valid reports whether the op at i stays within the program.
func (c *Code) valid(i int) bool {
	o := &c.ops[i]
	for j, m := range o.modes {
		switch m {
		case modeImm:
		case modeReg:
			if o.args[j] >= NumRegisters {
				return false
			}
		case modeData:
			if o.args[j] > uint64(len(c.data)) {
				return false
			}
		default:
			return false
		}
	}
	if o.out != noRegister && o.out >= NumRegisters || i+1+int(o.skip) > len(c.ops) {
		return false
	}
	switch o.kind {
	case opStore32:
		return c.holds32(o, 1)
	case opLoad32:
		return c.holds32(o, 0)
	default:
		return o.kind <= opReportPid
	}
}

// holds32 reports whether the operand is the place of four bytes of data.
func (c *Code) holds32(o *op, i int) bool {
	return o.modes[i] == modeData && o.args[i]%4 == 0 && o.args[i]+4 <= uint64(len(c.data))
}

// relocate writes the addresses that the data holds.
func (c *Code) relocate(relocs []reloc) error {
	size := uint64(len(c.data))
	for _, r := range relocs {
		if r.slot%pointerSize != 0 || uint64(r.slot)+pointerSize > size || uint64(r.target) > size {
			return ErrInvalid
		}
		*(*uintptr)(unsafe.Pointer(&c.data[r.slot])) = c.base() + uintptr(r.target)
	}
	return nil
}

// base is the address of the data section.
func (c *Code) base() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(c.data))) }

// sliceOf is the memory of b as count values. T holds no pointers.
func sliceOf[T op | reloc](b []byte, count int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), count)
}
