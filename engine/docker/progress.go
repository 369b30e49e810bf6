package docker

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/moby/moby/api/types/jsonstream"

	"tiffin/engine"
)

// line is one of the answers that tell how far something is.
type line struct {
	jsonstream.Message
	// ErrorText is what errorDetail says, for who does not know that.
	ErrorText string `json:"error,omitempty"`
}

// lines writes them, as they come.
type lines struct {
	w     http.ResponseWriter
	mu    sync.Mutex
	begun bool
	// head is written before the first line, if there is one at all.
	head *line
}

func (l *lines) say(one line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(one)
}

func (l *lines) write(one line) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/json")
		l.w.WriteHeader(http.StatusOK)
		if l.head != nil {
			l.write(*l.head)
		}
	}
	_ = json.NewEncoder(l.w).Encode(one)        // or the client went away
	_ = http.NewResponseController(l.w).Flush() // as above
}

func (l *lines) status(text string) { l.say(line{Message: jsonstream.Message{Status: text}}) }

func (l *lines) stream(text string) { l.say(line{Message: jsonstream.Message{Stream: text}}) }

func (l *lines) aux(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	raw := json.RawMessage(text)
	l.say(line{Message: jsonstream.Message{Aux: &raw}})
	return nil
}

// layer tells of an image's layers. The engine has Docker's words for what becomes of them; what it says of the image
// itself is left out.
func (l *lines) layer(p engine.Progress) {
	if p.ParentID == "" || p.Timing != nil {
		return
	}
	one := line{Message: jsonstream.Message{ID: p.ID, Status: p.Text, Progress: &jsonstream.Progress{}}}
	if p.Current > 0 {
		one.Progress.Current, one.Progress.Total = p.Current, p.Total
	}
	l.say(one)
}

// end says what went wrong: as the answer, or as its last line when it has begun.
func (l *lines) end(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || !l.begun {
		return err
	}
	text := message(err)
	l.write(line{Message: jsonstream.Message{Error: &jsonstream.Error{Message: text}}, ErrorText: text})
	return nil
}

// advised puts the hint behind the text: who reads it sees nothing else.
func advised(err error) error {
	if hint := engine.HintOf(err); hint != "" && !strings.Contains(err.Error(), hint) {
		return advice{err, hint}
	}
	return err
}

type advice struct {
	error
	hint string
}

func (a advice) Error() string { return a.error.Error() + ": " + a.hint }
func (a advice) Unwrap() error { return a.error }
