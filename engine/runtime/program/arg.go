package program

// NumRegisters is how many registers a child has.
const NumRegisters = 512

// MaxInputs is the most descriptors that a program is given: what fits beside
// nothing else into one message, see SCM_MAX_FD in unix(7).
const MaxInputs = 253

// Arg is one argument of a system call: an [Imm], a [Reg] or a [Data].
type Arg interface {
	operand() operand
}

// Imm is an argument that is a number. Negative ones such as AT_FDCWD are fine.
type Imm int64

// Reg is a register; as an argument, the number that is in it.
type Reg uint16

// ReportReg holds the write end of the pipe on which the child reports.
const ReportReg Reg = NumRegisters - 1

// Data is an offset in the data section; as an argument, the address of that place.
type Data uint32

// mode says how the value of an operand is meant.
type mode uint8

const (
	modeImm mode = iota
	modeReg
	modeData
)

// operand is an argument as it is encoded.
type operand struct {
	mode  mode
	value uint64
}

func (i Imm) operand() operand  { return operand{modeImm, uint64(i)} }
func (r Reg) operand() operand  { return operand{modeReg, uint64(r)} }
func (d Data) operand() operand { return operand{modeData, uint64(d)} }
