package menu

import (
	"io"
	"sync"

	"tiffin/cmd/tiffin/progress"
)

// Screen is shared by all who write: below the output there may be a menu, or the progress of a stop.
type Screen struct {
	*Menu // nil: none

	mu       sync.Mutex
	progress progress.Writer // nil: none
}

// Writer writes whole lines to w, above what is below.
func (s *Screen) Writer(w io.Writer) io.Writer { return above{s, w} }

// ShowProgress lets output go above p from now on; nil: there is none any more.
func (s *Screen) ShowProgress(p progress.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress = p
}

type above struct {
	s *Screen
	w io.Writer
}

func (a above) Write(p []byte) (n int, err error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.s.progress == nil {
		return a.s.Write(a.w, p)
	}
	a.s.progress.Above(func() { n, err = a.w.Write(p) })
	return n, err
}
