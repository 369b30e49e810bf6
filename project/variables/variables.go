package variables

import (
	"fmt"
	"strings"
)

// maxExpandDepth bounds how deep one variable's default may hold others.
const maxExpandDepth = 16

// Expansion replaces variables in the values of a Compose file:
//
//	$X ${X}            the value; "" and a warning when X is not set
//	${X:-d} ${X-d}     d when X is empty or not set; when it is not set
//	${X:+d} ${X+d}     d when X has a value; when it is set
//	${X:?m} ${X?m}     an error with m when X is empty or not set; when it is not set
//	$$                 a dollar sign
//
// d and m are expanded in turn. A dollar before anything else stays as it is, as in
// docker compose.
type Expansion struct {
	// Lookup finds a variable.
	Lookup func(name string) (string, bool)
	// Unset is told of variables that have no value and no default. It may be nil.
	Unset func(name string)
}

// SyntaxError is text with dollars that makes no sense.
type SyntaxError struct{ Template string }

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q is not a valid use of variables", e.Template)
}

// MissingError is a variable that has to be set.
type MissingError struct{ Name, Reason string }

func (e *MissingError) Error() string {
	text := fmt.Sprintf("required variable %s is missing a value", e.Name)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Expand replaces the variables in text.
func (e Expansion) Expand(text string) (string, error) { return e.at(text, 0) }

func (e Expansion) at(text string, depth int) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	var out strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "$")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		var value string
		var err error
		switch name := leadingName(after); {
		case strings.HasPrefix(after, "$"):
			value, rest = "$", after[1:]
		case strings.HasPrefix(after, "{"):
			value, rest, err = e.braced(text, after[1:], depth)
		case name == "":
			value, rest = "$", after
		default:
			value, rest = e.value(name), after[len(name):]
		}
		if err != nil {
			return "", err
		}
		out.WriteString(value)
	}
}

// braced expands what follows "${", and returns what follows the closing brace.
func (e Expansion) braced(whole, text string, depth int) (value, rest string, err error) {
	if depth == maxExpandDepth {
		return "", "", fmt.Errorf("variables are nested deeper than %d", maxExpandDepth)
	}
	end := closing(text)
	if end < 0 {
		return "", "", &SyntaxError{whole}
	}
	inner, rest := text[:end], text[end+1:]
	name := leadingName(inner)
	operator := inner[len(name):]
	if name == "" || strings.Contains(inner, "\n") {
		return "", "", &SyntaxError{whole}
	}
	if operator == "" {
		return e.value(name), rest, nil
	}
	value, set := e.Lookup(name)
	if operator[0] == ':' {
		operator = operator[1:]
		set = set && value != ""
	}
	if operator == "" {
		return "", "", &SyntaxError{whole}
	}
	argument := operator[1:]
	switch operator[0] {
	case '-':
		if !set {
			value, err = e.at(argument, depth+1)
		}
	case '+':
		if set {
			value, err = e.at(argument, depth+1)
		}
	case '?':
		if !set {
			argument, err = e.at(argument, depth+1)
			if err == nil {
				err = &MissingError{name, argument}
			}
		}
	default:
		err = &SyntaxError{whole}
	}
	return value, rest, err
}

func (e Expansion) value(name string) string {
	value, ok := e.Lookup(name)
	if !ok && e.Unset != nil {
		e.Unset(name)
	}
	return value
}

// closing finds the brace that closes the one before text. Braces within are paired;
// where they are not, the last one of the line closes. What follows an opening brace
// is not looked at, which compose-go does as well.
func closing(text string) int {
	line, _, _ := strings.Cut(text, "\n")
	open := 1
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '{':
			open++
			i++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return strings.LastIndex(line, "}")
}

// leadingName is the variable name that text begins with.
func leadingName(text string) string {
	for i := range len(text) {
		c := text[i] | 0x20 // lower case, for letters
		if c >= 'a' && c <= 'z' || text[i] == '_' || i > 0 && text[i] >= '0' && text[i] <= '9' {
			continue
		}
		return text[:i]
	}
	return text
}
