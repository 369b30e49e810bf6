package keeper

import (
	"strconv"

	"golang.org/x/sys/unix"

	"tiffin/engine/logs/frame"
)

// maxLogFiles bounds the renames of one rotation.
const maxLogFiles = 1000

// logFile is the log of one container: the file "log" in a directory, behind it
// "log.1", "log.2" … which are older.
//
// It never gives an error: what the disk does not take is lost, and counted. The
// count is written into the log as soon as the disk takes something again.
type logFile struct {
	dir      file
	file     file
	size     int64
	maxSize  int64
	maxFiles int
	lost     uint64 // bytes
	untold   uint64 // of lost, not yet written into the log
}

// buffer is room for one frame.
type buffer [frame.MaxPayload + frame.Overhead]byte

// payload is the part of the buffer that output is read into.
func (b *buffer) payload() []byte { return b[frame.HeaderSize:][:frame.MaxPayload] }

// frame puts header and trailer around a payload that is in place.
func (b *buffer) frame(h frame.Header) []byte {
	frame.PutHeader(b[:], h)
	frame.PutTrailer(b[frame.HeaderSize+h.Length:], h.Length)
	return b[:h.Size()]
}

// open opens the log in its directory. If whoever wrote it before was killed within
// a frame, it goes on in a new file.
func (l *logFile) open() {
	f, e := l.dir.openAt(name("log\x00"), unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW, 0o600)
	if e != 0 {
		return
	}
	l.file, l.size = f, f.size()
	if l.size > 0 && !l.whole() {
		l.rotate(max(l.maxFiles, 2))
	}
}

// whole reports whether the file ends with a frame.
func (l *logFile) whole() bool {
	var b [frame.HeaderSize]byte
	if l.size < frame.Overhead {
		return false
	}
	if n, e := l.file.pread(b[:frame.TrailerSize], l.size-frame.TrailerSize); e != 0 || n < frame.TrailerSize {
		return false
	}
	length, err := frame.ParseTrailer(b[:])
	at := l.size - int64(length) - frame.Overhead
	if err != nil || at < 0 {
		return false
	}
	if n, e := l.file.pread(b[:], at); e != 0 || n < frame.HeaderSize {
		return false
	}
	h, err := frame.ParseHeader(b[:])
	return err == nil && h.Length == length
}

// append writes the payload of h, which is in the buffer.
func (l *logFile) append(b *buffer, h frame.Header) {
	if l.file == 0 {
		l.open()
	}
	if l.maxSize > 0 && l.size > 0 && l.size+int64(h.Size()) > l.maxSize {
		l.rotate(l.maxFiles)
	}
	if !l.tell(h) || !l.write(b.frame(h)) {
		l.lost += uint64(h.Length)
		l.untold += uint64(h.Length)
	}
}

// tell writes down what is missing at this place, and reports whether there is
// nothing left to tell.
func (l *logFile) tell(next frame.Header) bool {
	if l.untold == 0 {
		return true
	}
	h := frame.Header{Length: frame.LostPayloadSize, Time: next.Time, Stream: next.Stream, Flags: frame.Lost}
	var b [frame.LostPayloadSize + frame.Overhead]byte
	frame.PutHeader(b[:], h)
	frame.PutLost(b[frame.HeaderSize:], l.untold)
	frame.PutTrailer(b[frame.HeaderSize+frame.LostPayloadSize:], frame.LostPayloadSize)
	if !l.write(b[:]) {
		return false
	}
	l.untold = 0
	return true
}

// write appends whole frames or nothing.
func (l *logFile) write(b []byte) bool {
	if l.file == 0 {
		return false
	}
	n, e := l.file.write(b)
	if e == 0 && n == len(b) {
		l.size += int64(n)
		return true
	}
	if e == 0 {
		l.file.truncate(l.size)
	}
	return false
}

// rotate renames log to log.1, that to log.2 … so that there are at most so many
// files, and begins a new one.
func (l *logFile) rotate(files int) {
	var from, to [16]byte
	if files == 1 {
		l.dir.unlinkAt(logName(&from, 0))
	}
	for i := files - 1; i > 0; i-- {
		_ = l.dir.renameAt(logName(&from, i-1), logName(&to, i)) // ENOENT: not so many yet
	}
	l.file.close()
	l.size = 0
	f, e := l.dir.openAt(logName(&from, 0), unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW, 0o600)
	if e == 0 {
		l.file, l.size = f, f.size()
	}
}

// logName is the name of the i-th log file, the current one being 0.
func logName(buf *[16]byte, i int) name {
	b := append(buf[:0], "log"...)
	if i > 0 {
		b = append(b, '.')
		b = strconv.AppendInt(b, int64(i), 10)
	}
	return name(append(b, 0))
}

// close closes both descriptors.
func (l *logFile) close() {
	l.file.close()
	l.dir.close()
}
