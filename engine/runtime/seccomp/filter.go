package seccomp

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxInstructions is what the kernel takes in one filter (BPF_MAXINSNS).
const maxInstructions = 4096

// Filter is a compiled profile, ready for seccomp(SECCOMP_SET_MODE_FILTER).
// It is immutable and may be shared.
type Filter struct {
	code  []unix.SockFilter
	flags uint
}

// Len is the number of instructions: sock_fprog.len.
func (f Filter) Len() int { return len(f.code) }

// Flags are the SECCOMP_FILTER_FLAG_* that the profile asks for, the third
// word of seccomp(2).
func (f Filter) Flags() uint { return f.flags }

// Bytes are the instructions as struct sock_filter in host byte order:
// what sock_fprog.filter points to.
func (f Filter) Bytes() []byte {
	b := make([]byte, 0, 8*len(f.code))
	for _, in := range f.code {
		b = binary.NativeEndian.AppendUint16(b, in.Code)
		b = append(b, in.Jt, in.Jf)
		b = binary.NativeEndian.AppendUint32(b, in.K)
	}
	return b
}

// String lists the instructions, one a line, with absolute jump targets.
func (f Filter) String() string {
	var b strings.Builder
	for at, in := range f.code {
		fmt.Fprintf(&b, "%4d  %s\n", at, describe(at, in))
	}
	return b.String()
}

func describe(at int, in unix.SockFilter) string {
	switch in.Code {
	case opLoad:
		return "load " + wordName(in.K)
	case opAnd:
		return fmt.Sprintf("and  %#x", in.K)
	case opJump:
		return fmt.Sprintf("jump %d", at+1+int(in.K))
	case opReturn:
		return "ret  " + action(in.K).String()
	}
	relation := map[uint16]string{opEqual: "==", opGreater: ">", opAtLeast: ">="}[in.Code]
	return fmt.Sprintf("if %s %#x: %d else %d", relation, in.K, at+1+int(in.Jt), at+1+int(in.Jf))
}

// wordName names a word of struct seccomp_data by its offset.
func wordName(offset uint32) string {
	switch {
	case offset == offNumber:
		return "number"
	case offset == offArch:
		return "arch"
	case offset%8 == 0:
		return fmt.Sprintf("arg%d low", (offset-offArgs)/8)
	default:
		return fmt.Sprintf("arg%d high", (offset-offArgs)/8)
	}
}
