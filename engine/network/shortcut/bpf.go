package shortcut

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The little of bpf(2) that the short cut needs: one kind of map, one kind of
// program, and links that go when their descriptor is closed.

// insn is one instruction, see the kernel's Documentation/bpf/standardization/instruction-set.rst.
type insn struct {
	code     uint8
	dst, src uint8
	off      int16
	imm      int32
}

// The registers: r0 has results, r1 to r5 are arguments and lost in calls, r6 to r9
// stay, r10 is the end of the stack.
const (
	r0 uint8 = iota
	r1
	r2
	r3
	r4
	r5
	r6
	r7
	r8
	r9
	r10
)

// The sizes of loads and stores.
const (
	size8  uint8 = unix.BPF_B
	size16 uint8 = unix.BPF_H
	size32 uint8 = unix.BPF_W
	sizeDW uint8 = unix.BPF_DW
)

func load(size, dst, src uint8, off int16) insn {
	return insn{code: unix.BPF_LDX | unix.BPF_MEM | size, dst: dst, src: src, off: off}
}

func store(size, dst uint8, off int16, src uint8) insn {
	return insn{code: unix.BPF_STX | unix.BPF_MEM | size, dst: dst, src: src, off: off}
}

func storeConst(size, dst uint8, off int16, v int32) insn {
	return insn{code: unix.BPF_ST | unix.BPF_MEM | size, dst: dst, off: off, imm: v}
}

func move(dst, src uint8) insn {
	return insn{code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X, dst: dst, src: src}
}

func moveConst(dst uint8, v int32) insn {
	return insn{code: unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K, dst: dst, imm: v}
}

func addConst(dst uint8, v int32) insn {
	return insn{code: unix.BPF_ALU64 | unix.BPF_ADD | unix.BPF_K, dst: dst, imm: v}
}

func call(helper int32) insn { return insn{code: unix.BPF_JMP | unix.BPF_CALL, imm: helper} }

func exit() insn { return insn{code: unix.BPF_JMP | unix.BPF_EXIT} }

// load64 puts a constant into a register; it is two instructions.
func load64(dst uint8, v uint64) []insn {
	return []insn{
		{code: unix.BPF_LD | unix.BPF_IMM | unix.BPF_DW, dst: dst, imm: int32(uint32(v))},
		{imm: int32(uint32(v >> 32))},
	}
}

// loadMap puts the address of a map into a register.
func loadMap(dst uint8, m *os.File) []insn {
	both := load64(dst, uint64(m.Fd()))
	both[0].src = unix.BPF_PSEUDO_MAP_FD
	return both
}

// assembly is a program in the making. Its jumps all go to one of two places, which
// are not known before the end.
type assembly struct {
	code  []insn
	jumps map[int]string
}

func (a *assembly) add(code ...insn) { a.code = append(a.code, code...) }

// unless jumps when the register does not have the value.
func (a *assembly) unless(reg uint8, v int32, label string) {
	a.jump(insn{code: unix.BPF_JMP | unix.BPF_JNE | unix.BPF_K, dst: reg, imm: v}, label)
}

func (a *assembly) unlessSame(x, y uint8, label string) {
	a.jump(insn{code: unix.BPF_JMP | unix.BPF_JNE | unix.BPF_X, dst: x, src: y}, label)
}

func (a *assembly) ifZero(reg uint8, label string) {
	a.jump(insn{code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, dst: reg}, label)
}

func (a *assembly) jump(i insn, label string) {
	if a.jumps == nil {
		a.jumps = map[int]string{}
	}
	a.jumps[len(a.code)] = label
	a.add(i)
}

// label says that the jumps to it arrive here.
func (a *assembly) label(label string) {
	for at, to := range a.jumps {
		if to == label {
			a.code[at].off = int16(len(a.code) - at - 1)
		}
	}
}

func (a *assembly) bytes() []byte {
	var b []byte
	for _, i := range a.code {
		registers := i.dst | i.src<<4
		if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big endian
			registers = i.src | i.dst<<4
		}
		b = append(b, i.code, registers)
		b = binary.NativeEndian.AppendUint16(b, uint16(i.off))
		b = binary.NativeEndian.AppendUint32(b, uint32(i.imm))
	}
	return b
}

// bpf is the system call. The attributes are laid out as union bpf_attr has them;
// what they point to must be kept alive by the caller.
func bpf(cmd uintptr, attr []byte, what string) (uintptr, error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, cmd,
		uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr))) //nolint:gosec // how a system call takes memory
	runtime.KeepAlive(attr)
	if errno != 0 {
		return 0, fmt.Errorf("bpf: %s: %w", what, errno)
	}
	return r, nil
}

// attributes builds a union bpf_attr of 32- and 64-bit words.
type attributes struct{ b []byte }

func (a *attributes) u32(values ...uint32) *attributes {
	for _, v := range values {
		a.b = binary.NativeEndian.AppendUint32(a.b, v)
	}
	return a
}

// pointer adds the address of memory that the caller has pinned.
func (a *attributes) pointer(p *byte) *attributes {
	a.b = binary.NativeEndian.AppendUint64(a.b, uint64(uintptr(unsafe.Pointer(p)))) //nolint:gosec // it is pinned
	return a
}

func (a *attributes) name(s string) *attributes {
	var name [16]byte
	copy(name[:15], s)
	a.b = append(a.b, name[:]...)
	return a
}

func newHashMap(name string, keySize, valueSize, entries uint32) (*os.File, error) {
	a := new(attributes).u32(unix.BPF_MAP_TYPE_HASH, keySize, valueSize, entries, unix.BPF_F_NO_PREALLOC, 0, 0).name(name)
	fd, err := bpf(unix.BPF_MAP_CREATE, a.b, "create a map")
	if err != nil {
		return nil, err
	}
	return os.NewFile(fd, name), nil
}

func mapUpdate(m *os.File, key, value []byte) error {
	var keep runtime.Pinner
	defer keep.Unpin()
	keep.Pin(&key[0])
	keep.Pin(&value[0])
	a := new(attributes).u32(uint32(m.Fd()), 0).pointer(&key[0]).pointer(&value[0]).u32(0, 0)
	_, err := bpf(unix.BPF_MAP_UPDATE_ELEM, a.b, "change a map")
	return err
}

func mapDelete(m *os.File, key []byte) error {
	var keep runtime.Pinner
	defer keep.Unpin()
	keep.Pin(&key[0])
	a := new(attributes).u32(uint32(m.Fd()), 0).pointer(&key[0]).u32(0, 0, 0, 0)
	_, err := bpf(unix.BPF_MAP_DELETE_ELEM, a.b, "change a map")
	return err
}

// loadProgram loads a program of the kind that sees addresses before connect(2).
func loadProgram(name string, code []byte, attach uint32) (*os.File, error) {
	license := []byte("Apache-2.0\x00")
	var keep runtime.Pinner
	defer keep.Unpin()
	keep.Pin(&license[0])
	keep.Pin(&code[0])
	a := new(attributes).u32(unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, uint32(len(code)/8)).
		pointer(&code[0]).pointer(&license[0]).
		u32(0, 0, 0, 0). // no log
		u32(0, 0).name(name).u32(0, attach)
	fd, err := bpf(unix.BPF_PROG_LOAD, a.b, "load "+name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(fd, name), nil
}

// linkProgram attaches a program to a control group, until the returned file is closed.
func linkProgram(program, cgroup *os.File, attach uint32) (*os.File, error) {
	a := new(attributes).u32(uint32(program.Fd()), uint32(cgroup.Fd()), attach, 0)
	fd, err := bpf(unix.BPF_LINK_CREATE, a.b, "attach a program")
	if err != nil {
		return nil, err
	}
	return os.NewFile(fd, "link"), nil
}
