package menu

import (
	"testing"

	"github.com/mattn/go-runewidth"
)

func TestActionOf(t *testing.T) {
	for name, tc := range map[string]struct {
		read string
		want Action
	}{
		"w is watch":                           {"w", Watch},
		"d is detach":                          {"d", Detach},
		"a key pressed again is one":           {"dd", Detach},
		"Enter makes room":                     {"\n", Space},
		"other keys are nothing":               {"q", Nothing},
		"nor is the end of a file":             {"\x04", Nothing},
		"nothing is nothing":                   {"", Nothing},
		"the left arrow has a D in it":         {"\x1b[D", Nothing},
		"Alt and d are not d":                  {"\x1bd", Nothing},
		"capitals are the ends of arrows":      {"D", Nothing},
		"what is pasted has some of all":       {"docker ps\n", Nothing},
		"a letter of several bytes is one key": {"ŵ", Nothing},
	} {
		t.Run(name, func(t *testing.T) {
			if got := actionOf([]byte(tc.read)); got != tc.want {
				t.Errorf("%q means %d, want %d", tc.read, got, tc.want)
			}
		})
	}
}

func TestLine(t *testing.T) {
	for name, tc := range map[string]struct {
		state   State
		columns int
		want    string
	}{
		"there is something to watch":          {State{Watchable: true}, 80, "w Enable Watch   d Detach"},
		"it is watched":                        {State{Watchable: true, Watching: true}, 80, "w Disable Watch   d Detach"},
		"there is nothing to watch":            {State{}, 80, "d Detach"},
		"on half a screen":                     {State{Watchable: true, Watching: true}, 40, "w Disable Watch   d Detach"},
		"the last column is free":              {State{Watchable: true}, 26, "w Enable Watch   d Detach"},
		"in short":                             {State{Watchable: true}, 25, "w Watch   d Detach"},
		"in short, watched":                    {State{Watchable: true, Watching: true}, 25, "w Unwatch   d Detach"},
		"the keys alone":                       {State{Watchable: true}, 18, "w   d"},
		"no room at all":                       {State{Watchable: true}, 5, ""},
		"detaching, which takes a while":       {State{Watchable: true, Detaching: true}, 80, "w Enable Watch   d Detaching once all is started"},
		"detaching, in short":                  {State{Watchable: true, Detaching: true}, 40, "w Watch   d Detaching"},
		"detaching, without anything to watch": {State{Detaching: true}, 40, "d Detaching once all is started"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.state.line(tc.columns, false); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if got, want := (State{}).line(80, true), "\x1b[36m\x1b[1md\x1b[0m Detach"; got != want {
		t.Errorf("coloured: got %q, want %q", got, want)
	}
}

func TestLineNeverReachesTheLastColumn(t *testing.T) {
	for columns := range 100 {
		for _, s := range []State{{}, {Watchable: true}, {Watchable: true, Watching: true}, {Watchable: true, Watching: true, Detaching: true}} {
			if w := runewidth.StringWidth(s.line(columns, false)); w > 0 && w >= columns {
				t.Errorf("%+v takes %d of %d columns", s, w, columns)
			}
		}
	}
}
