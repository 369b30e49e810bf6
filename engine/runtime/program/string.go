package program

import (
	"encoding/binary"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// String prints one step a line, with the names of registers, flags and errnos, what
// is in the data section, and the step's label at the end.
func (p *Program) String() string {
	known := signatures()
	var s strings.Builder
	for i := range p.ops {
		line := pad("", 3-len(strconv.Itoa(i))) + strconv.Itoa(i) + "  " + p.opString(i, known) + p.outcome(i)
		if p.labels[i] != "" {
			line = pad(line, labelColumn-utf8.RuneCountInString(line)) + " # " + p.labels[i]
		}
		s.WriteString(line + "\n")
	}
	return s.String()
}

// labelColumn is where the labels are printed.
const labelColumn = 80

func pad(s string, n int) string { return s + strings.Repeat(" ", max(n, 0)) }

func (p *Program) opString(i int, known map[uint32]signature) string {
	o := &p.ops[i]
	a, b := o.args[0], o.args[1]
	switch o.kind {
	case opCall:
		return p.callString(o, known[o.nr])
	case opJump:
		return "jump"
	case opJumpEqual:
		return "if " + p.register(a) + " == " + decimal.number(b)
	case opJumpUnequal:
		return "if " + p.register(a) + " != " + decimal.number(b)
	case opStore32:
		return "store " + p.register(a) + " to " + p.blockName(Data(b))
	case opLoad32:
		return "load from " + p.blockName(Data(a))
	case opExit:
		return "exit " + decimal.number(a)
	case opFail:
		return "fail " + errnoName(uint16(a))
	case opReportPid:
		return "report pid " + p.register(a)
	default:
		return "op " + decimal.number(uint64(o.kind))
	}
}

// outcome is what is printed behind a step: where its result goes, and which
// errnos lead where.
func (p *Program) outcome(i int) string {
	o := &p.ops[i]
	var s strings.Builder
	if o.out != noRegister {
		s.WriteString(" → " + p.register(uint64(o.out)))
	}
	var tolerated []string
	for _, e := range o.tolerated {
		if e != 0 {
			tolerated = append(tolerated, errnoName(e))
		}
	}
	if len(tolerated) > 0 {
		s.WriteString(" or " + strings.Join(tolerated, ", "))
	}
	if o.skip > 0 || o.kind == opJump {
		s.WriteString(" then " + strconv.Itoa(i+1+int(o.skip)))
	}
	return s.String()
}

func (p *Program) callString(o *op, sig signature) string {
	name := sig.name
	if name == "" {
		name = "syscall_" + decimal.number(uint64(o.nr))
	}
	last := len(o.args)
	for last > len(sig.args) && o.modes[last-1] == modeImm && o.args[last-1] == 0 {
		last--
	}
	args := make([]string, last)
	for i := range args {
		f := decimal
		if i < len(sig.args) {
			f = sig.args[i]
		}
		args[i] = p.argString(o, i, f)
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func (p *Program) argString(o *op, i int, f format) string {
	switch v := o.args[i]; o.modes[i] {
	case modeReg:
		return p.register(v)
	case modeData:
		return p.dataString(Data(v), f)
	default:
		return f.number(v)
	}
}

// register is the name of a register.
func (p *Program) register(r uint64) string {
	switch {
	case r == uint64(ReportReg):
		return "report"
	case r < uint64(len(p.names)) && p.names[r] != "":
		return p.names[r]
	default:
		return "r" + decimal.number(r)
	}
}

// number prints an immediate.
func (f format) number(v uint64) string {
	switch {
	case f == hex:
		return "0x" + strconv.FormatUint(v, 16)
	case f == octal:
		return "0" + strconv.FormatUint(v, 8)
	case f == atFD && int64(v) == unix.AT_FDCWD:
		return "AT_FDCWD"
	}
	if names := f.names(); names != nil {
		return names.format(v)
	}
	return strconv.FormatInt(int64(v), 10)
}

// format prints a set of flags.
func (names flagNames) format(v uint64) string {
	var parts []string
	for _, n := range names {
		if v&n.bit == n.bit {
			parts = append(parts, n.name)
			v &^= n.bit
		}
	}
	if v != 0 || len(parts) == 0 {
		parts = append(parts, hex.number(v))
	}
	return strings.Join(parts, "|")
}

// dataString prints what is at d.
func (p *Program) dataString(d Data, f format) string {
	b, ok := p.block(d)
	if !ok {
		return p.blockName(d)
	}
	raw := p.data[b.at:][:b.size]
	switch {
	case b.kind == blockString:
		return strconv.Quote(string(raw[:len(raw)-1]))
	case b.kind == blockPointers:
		return p.listString(b)
	case b.kind == blockScratch:
		return p.blockName(d)
	case f == openHow && b.size >= 24:
		return "{" + openFlags.number(word64(raw, 0)) + modeString(word64(raw, 1)) + " " + resolveFlags().format(word64(raw, 2)) + "}"
	case f == mountAttr && b.size >= 32:
		return "{set " + mountAttrFlags().format(word64(raw, 0)) + " clear " + mountAttrFlags().format(word64(raw, 1)) +
			" propagation " + mountFlags.number(word64(raw, 2)) + "}"
	case f == words32:
		return wordsString(raw, 4)
	case f == words64:
		return wordsString(raw, 8)
	case p.hasRelocs(b):
		return p.blockName(d)
	case len(raw) > 64:
		return "<" + strconv.Itoa(len(raw)) + " bytes>"
	default:
		return strconv.Quote(string(raw))
	}
}

func modeString(mode uint64) string {
	if mode == 0 {
		return ""
	}
	return " " + octal.number(mode)
}

// block is the block that begins at d.
func (p *Program) block(d Data) (block, bool) {
	for _, b := range p.blocks {
		if b.at == d {
			return b, true
		}
	}
	return block{}, false
}

// blockName is how a place is printed whose content says nothing: by its offset.
func (p *Program) blockName(d Data) string { return "data+" + decimal.number(uint64(d)) }

// listString prints an array of strings.
func (p *Program) listString(b block) string {
	var list []string
	for _, r := range p.relocs {
		if r.slot >= b.at && int(r.slot) < int(b.at)+b.size {
			list = append(list, p.dataString(r.target, decimal))
		}
	}
	return "[" + strings.Join(list, " ") + "]"
}

func (p *Program) hasRelocs(b block) bool {
	for _, r := range p.relocs {
		if r.slot >= b.at && int(r.slot) < int(b.at)+b.size {
			return true
		}
	}
	return false
}

func word64(raw []byte, i int) uint64 { return binary.LittleEndian.Uint64(raw[8*i:]) }

// wordsString prints raw as numbers of size bytes.
func wordsString(raw []byte, size int) string {
	var list []string
	for ; len(raw) >= size; raw = raw[size:] {
		v := uint64(binary.LittleEndian.Uint32(raw))
		if size == 8 {
			v = binary.LittleEndian.Uint64(raw)
		}
		list = append(list, hex.number(v))
	}
	return "{" + strings.Join(list, " ") + "}"
}

func errnoName(e uint16) string {
	if name := unix.ErrnoName(syscall.Errno(e)); name != "" {
		return name
	}
	return "errno " + decimal.number(uint64(e))
}
