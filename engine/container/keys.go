package container

import (
	"fmt"
	"io"
	"strings"

	"github.com/moby/sys/signal"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// ParseSignal reads a signal by name or number.
func ParseSignal(name string) (unix.Signal, error) {
	if name == "" {
		return unix.SIGKILL, nil
	}
	sig, err := signal.ParseSignal(name)
	if err != nil {
		return 0, engine.Problem(engine.ErrInvalid, fmt.Errorf("invalid signal: %s", name))
	}
	return sig, nil
}

// defaultDetachKeys are ctrl-p, ctrl-q.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// parseDetachKeys reads keys as docker writes them: ctrl-p,ctrl-q or a,b.
func parseDetachKeys(text string) ([]byte, error) {
	if text == "" {
		text = defaultDetachKeys
	}
	var keys []byte
	for word := range strings.SplitSeq(text, ",") {
		ctrl, isCtrl := strings.CutPrefix(word, "ctrl-")
		switch {
		case isCtrl && len(ctrl) == 1 && strings.ContainsAny(ctrl, "abcdefghijklmnopqrstuvwxyz@[\\]^_"):
			keys = append(keys, ctrl[0]&0x1f)
		case len(word) == 1:
			keys = append(keys, word[0])
		default:
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("invalid detach keys %q: write ctrl-p,ctrl-q", text))
		}
	}
	return keys, nil
}

// detachReader passes input on until the keys come in a row.
type detachReader struct {
	in   io.Reader
	keys []byte
	seen int // how many of the keys came last; they are held back
}

func (r *detachReader) Read(p []byte) (int, error) {
	buf := make([]byte, max(1, len(p)-len(r.keys)))
	for {
		n, err := r.in.Read(buf)
		out := p[:0]
		for _, b := range buf[:n] {
			if b == r.keys[r.seen] {
				if r.seen++; r.seen == len(r.keys) {
					return len(out), engine.ErrDetached
				}
				continue
			}
			out = append(append(out, r.keys[:r.seen]...), b)
			r.seen = 0
		}
		if len(out) > 0 || err != nil {
			return len(out), err
		}
	}
}
