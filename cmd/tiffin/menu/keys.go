package menu

import (
	"bytes"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/morikuni/aec"
)

// Action is what a key means.
type Action int

const (
	// Nothing is what all other keys mean.
	Nothing Action = iota
	// Watch turns watching on, or off.
	Watch
	// Detach leaves the containers running.
	Detach
	// Space is an empty line in the output, as Enter makes one where keys are echoed.
	Space
)

// actionOf is what one read of the terminal means. Only a single key counts, which may have been pressed again before it
// was read: several others at once are those that an arrow key sends, or what was pasted.
func actionOf(read []byte) Action {
	if len(read) == 0 || len(bytes.Trim(read, string(read[:1]))) > 0 {
		return Nothing
	}
	switch read[0] {
	case 'w':
		return Watch
	case 'd':
		return Detach
	case '\n', '\r':
		return Space
	default:
		return Nothing
	}
}

// State is what the line depends on.
type State struct {
	// Watchable says that there is something to watch.
	Watchable bool
	Watching  bool
	Detaching bool
}

// entry is a key and what it does, in full and in short.
type entry struct{ key, full, short string }

func (s State) entries() []entry {
	var out []entry
	switch {
	case s.Watchable && s.Watching:
		out = append(out, entry{"w", "Disable Watch", "Unwatch"})
	case s.Watchable:
		out = append(out, entry{"w", "Enable Watch", "Watch"})
	}
	if s.Detaching {
		return append(out, entry{"d", "Detaching once all is started", "Detaching"})
	}
	return append(out, entry{"d", "Detach", "Detach"})
}

// line is what the menu says on so many columns: in full, in short, or the keys alone. The last column stays free: some
// terminals go to the next line once it is written to.
func (s State) line(columns int, colour bool) string { //nolint:revive // whether colours are wanted
	for _, text := range []func(entry) string{
		func(e entry) string { return " " + e.full },
		func(e entry) string { return " " + e.short },
		func(entry) string { return "" },
	} {
		var plain, out []string
		for _, e := range s.entries() {
			plain = append(plain, e.key+text(e))
			key := e.key
			if colour {
				key = aec.EmptyBuilder.CyanF().Bold().ANSI.Apply(key)
			}
			out = append(out, key+text(e))
		}
		const gap = "   "
		if runewidth.StringWidth(strings.Join(plain, gap)) < columns {
			return strings.Join(out, gap)
		}
	}
	return ""
}
