package keeper

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Record is an exit record: a file of one line, named by the process's ID. It is
// there from before the engine is told of the exit until the engine drops the process,
// and it survives the keeper.
type Record struct {
	Process   Process
	Pid       int32
	Status    uint32 // wait status
	StartedAt int64  // Unix nanoseconds
	EndedAt   int64  // Unix nanoseconds
	Lost      uint64 // bytes of output that the log has not taken
}

// ErrRecord says that a text is no exit record.
var ErrRecord = errors.New("not an exit record")

// ParseRecord reads the content of an exit record.
func ParseRecord(text string) (Record, error) {
	line, whole := strings.CutSuffix(text, "\n")
	fields := strings.Fields(line)
	if !whole || len(fields) < len(recordKeys) {
		return Record{}, ErrRecord
	}
	var values [len(recordKeys)]int64
	for i, key := range recordKeys {
		value, ok := strings.CutPrefix(fields[i], key)
		v, err := strconv.ParseInt(value, 10, 64)
		if !ok || err != nil {
			return Record{}, ErrRecord
		}
		values[i] = v
	}
	return Record{
		Process:   Process(values[0]),
		Pid:       int32(values[1]),
		Status:    uint32(values[2]),
		StartedAt: values[3],
		EndedAt:   values[4],
		Lost:      uint64(values[5]),
	}, nil
}

var recordKeys = [...]string{"process=", "pid=", "status=", "started=", "ended=", "lost="}

// append writes the record as it is read.
func (r *Record) append(b []byte) []byte {
	values := [...]int64{int64(r.Process), int64(r.Pid), int64(r.Status), r.StartedAt, r.EndedAt, int64(r.Lost)}
	for i, v := range values {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, recordKeys[i]...)
		b = strconv.AppendInt(b, v, 10)
	}
	return append(b, '\n')
}

// records is the directory of the exit records.
type records struct {
	dir   file
	names [2][len(ID{}) + 2]byte // the name of a record and of its draft
	text  [256]byte
}

// write puts a record on disk, whole or not at all. When the disk takes none there is
// nothing left to do but to tell the engine without it.
func (d *records) write(id *ID, r *Record) {
	final, draft := d.name(id), d.draft(id)
	f, e := d.dir.openAt(draft, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if e != 0 {
		return
	}
	text := r.append(d.text[:0])
	n, e := f.write(text)
	f.close()
	if e != 0 || n < len(text) || d.dir.renameAt(draft, final) != 0 {
		d.dir.unlinkAt(draft)
	}
}

// remove removes a record, if there is one.
func (d *records) remove(id *ID) { d.dir.unlinkAt(d.name(id)) }

func (d *records) name(id *ID) name {
	b := append(d.names[0][:0], id[:id.length()]...)
	return name(append(b, 0))
}

// draft is the name of an unfinished record; no [ID] begins with a dot.
func (d *records) draft(id *ID) name {
	b := append(d.names[1][:0], '.')
	b = append(b, id[:id.length()]...)
	return name(append(b, 0))
}
