package program

import "encoding/binary"

// Report is what a child writes to its pipe: the number of the step that could not
// be done and the errno that it gave, or the process id of another child that carries
// on in its place. The pipe comes to its end, without a report of an errno, once the
// last of them has called execve, or was killed before it could: what the process
// ended with tells which.
type Report struct {
	Step  uint32
	Value uint32
}

// ReportSize is how many bytes a child writes at once for a [Report].
const ReportSize = 8

// stepPid is the step of a report that is about a process.
const stepPid = ^uint32(0)

// ParseReport reads what a child has written.
func ParseReport(b *[ReportSize]byte) Report {
	return Report{
		Step:  binary.LittleEndian.Uint32(b[:4]),
		Value: binary.LittleEndian.Uint32(b[4:]),
	}
}

// Pid is the process that carries on in place of the child, if the report is about one.
func (r Report) Pid() (pid int32, ok bool) { return int32(r.Value), r.Step == stepPid }
