package shape

import (
	"slices"
	"strconv"
	"strings"
)

// Kind is what a YAML value is; a shape accepts a set of them.
type Kind uint8

// The kinds.
const (
	Null Kind = 1 << iota
	Bool
	Int
	Float
	Text
	List
	Map
	Date

	// Variable is text that is not known.
	Variable Kind = 0

	// Any is all of them.
	Any = Null | Bool | Int | Float | Text | List | Map
)

// Accepts says whether a value of one kind will do. Text will do for a number or a truth
// value that it spells, since variables give text.
func (k Kind) Accepts(one Kind, text string) bool {
	if k&one != 0 {
		return true
	}
	if one == Date { // compose-go makes text of it where any scalar will do
		return k&Text != 0 && k&Bool != 0 && k&Float != 0
	}
	if one != Text {
		return false
	}
	_, notInt := strconv.ParseInt(text, 0, 64)
	_, notFloat := strconv.ParseFloat(text, 64)
	return k&Bool != 0 && IsBool(text) ||
		k&Int != 0 && notInt == nil ||
		k&Float != 0 && notFloat == nil
}

// IsBool says that YAML 1.1 has text for a truth value.
func IsBool(text string) bool {
	return slices.Contains([]string{"true", "false", "y", "yes", "on", "n", "no", "off"}, strings.ToLower(text))
}

// String names a set of kinds.
func (k Kind) String() string {
	var out []string
	for _, w := range []struct {
		kind Kind
		word string
	}{
		{Map, "a mapping"},
		{List, "a list"},
		{Text, "text"},
		{Int | Float, "a number"},
		{Bool, "true or false"},
		{Date, "a date"},
		{Null, "empty"},
	} {
		if k&w.kind != 0 {
			out = append(out, w.word)
		}
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}
