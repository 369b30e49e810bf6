package probe

import (
	"bytes"
	"regexp"
)

// maxLine bounds what is kept of a line: the rest of a longer one is not looked at.
const maxLine = 64 << 10

// Lines looks for a line in the output of a container, which comes in pieces, by stream.
type Lines struct {
	Want *regexp.Regexp
	open map[int][]byte // the line of each stream that has not ended
}

// Add looks through one more piece of a stream, and returns the first line that matches. A
// line counts when it has ended: what is there of it may still become something else.
func (l *Lines) Add(stream int, piece []byte) (match string, found bool) {
	if l.open == nil {
		l.open = map[int][]byte{}
	}
	open := l.open[stream]
	defer func() { l.open[stream] = open }()
	for {
		part, rest, ended := bytes.Cut(piece, []byte("\n"))
		if len(open) == 0 && ended {
			if text := whole(part); l.Want.Match(text) {
				return string(text), true // most lines come in one piece: no copy
			}
			piece = rest
			continue
		}
		open = append(open, part[:min(len(part), maxLine-len(open))]...)
		if !ended {
			return "", false
		}
		if text := whole(open); l.Want.Match(text) {
			return string(text), true
		}
		open = open[:0]
		piece = rest
	}
}

// whole is a line as it is looked at: without the carriage return of a terminal.
func whole(text []byte) []byte {
	return bytes.TrimSuffix(text[:min(len(text), maxLine)], []byte("\r"))
}
