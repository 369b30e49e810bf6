package variables

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/sirupsen/logrus"
)

var expandCases = map[string]string{
	"text without variables stays":                    "plain",
	"a name":                                          "$SET",
	"a name in braces":                                "a${SET}b",
	"a name ends where letters end":                   "$SET-x",
	"two in a row":                                    "$SET$EMPTY${SET}",
	"names are any case":                              "$lower",
	"one that is not set is empty":                    "x${UNSET}y",
	"a default for one not set":                       "${UNSET:-d}",
	"a default for an empty one":                      "${EMPTY:-d}",
	"no default for an empty one":                     "${EMPTY-d}",
	"no default for one that is set":                  "${SET:-d}${SET-d}",
	"an empty default":                                "${UNSET:-}",
	"a replacement for one that has a value":          "${SET:+r}${SET+r}",
	"no replacement for an empty one":                 "${EMPTY:+r}",
	"a replacement for an empty one that is set":      "${EMPTY+r}",
	"no replacement for one not set":                  "${UNSET+r}",
	"required and set":                                "${SET:?m}${SET?m}${EMPTY?m}",
	"required and empty":                              "${EMPTY:?give it}",
	"required and not set":                            "${UNSET?give it}",
	"required without a message":                      "${UNSET?}",
	"a message with a variable":                       "${UNSET?set $SET}",
	"defaults are nested":                             "${UNSET:-${EMPTY:-${SET}}}",
	"a default with text around a nested one":         "${UNSET:-a${SET}b}",
	"a default with braces":                           `${UNSET:-{"a": {"b": 1}}}`,
	"a default with empty braces":                     "${UNSET:-{}}",
	"a default with an operator":                      "${UNSET:-a:?b}",
	"a default with a colon":                          "${UNSET-a:-b}",
	"a dollar":                                        "$$SET",
	"a dollar in a default":                           "${UNSET:-$$x}",
	"a dollar before a digit stays":                   "cost: $5",
	"a dollar at the end stays":                       "x$",
	"a dollar before a space stays":                   "a $ b",
	"lines":                                           "a\n$SET\n${UNSET:-x}\n",
	"an open brace":                                   "${",
	"empty braces":                                    "${}",
	"a digit first":                                   "${1A}",
	"a space in a name":                               "${A B}",
	"an unknown operator":                             "${A:x}",
	"an operator without an end":                      "${A:-x",
	"a lonely colon":                                  "${A:}",
	"a line break in a default":                       "${UNSET:-a\nb}",
	"an error in the middle":                          "$SET ${",
	"text after a default":                            "${UNSET:-d} and ${SET:-e} }",
	"a brace that does not close in a default":        "${UNSET:-{}",
	"a value is not expanded":                         "$DOLLAR",
	"a default is not expanded when it is not needed": "${SET:-${UNSET:?never}}",
}

func variables(name string) (string, bool) {
	v, ok := map[string]string{"SET": "value", "EMPTY": "", "lower": "l", "DOLLAR": "$SET"}[name]
	return v, ok
}

// TestExpandAgreesWithComposeGo compares with the implementation that users know.
func TestExpandAgreesWithComposeGo(t *testing.T) {
	logrus.SetOutput(io.Discard)
	for name, text := range expandCases {
		t.Run(name, func(t *testing.T) { agree(t, text) })
	}
}

func agree(t *testing.T, text string) {
	t.Helper()
	got, err := Expansion{Lookup: variables}.Expand(text)
	want, wantErr := template.Substitute(text, variables)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%q: got %q, %v; compose-go has %q, %v", text, got, err, want, wantErr)
	}
	if err == nil && got != want {
		t.Errorf("%q: got %q, compose-go has %q", text, got, want)
	}
	var required *MissingError
	var theirs *template.MissingRequiredError
	if errors.As(wantErr, &theirs) != errors.As(err, &required) {
		t.Errorf("%q: got %v, compose-go has %v", text, err, wantErr)
	} else if required != nil && required.Error() != theirs.Error() {
		t.Errorf("%q: got %v, compose-go has %v", text, required, theirs)
	}
}

func TestExpandSaysWhatIsNotSet(t *testing.T) {
	var unset []string
	e := Expansion{Lookup: variables, Unset: func(name string) { unset = append(unset, name) }}
	if _, err := e.Expand("$A ${B} ${C:-c} ${D:+d} ${E:-$F} $SET $EMPTY"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(unset, " "); got != "A B F" {
		t.Errorf("not set: %s, want A B F", got)
	}
}

func TestExpandHasALimit(t *testing.T) {
	text := strings.Repeat("${U:-", 17) + "x" + strings.Repeat("}", 17)
	_, err := Expansion{Lookup: variables}.Expand(text)
	if err == nil || err.Error() != "variables are nested deeper than 16" {
		t.Errorf("got %v", err)
	}
	if _, err := (Expansion{Lookup: variables}).Expand(text[5 : len(text)-1]); err != nil {
		t.Errorf("16 levels: %v", err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, text := range expandCases {
		f.Add(text)
	}
	logrus.SetOutput(io.Discard)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 || strings.Count(text, "{") > maxExpandDepth {
			t.Skip() // compose-go takes long
		}
		if strings.ContainsAny(text, "\u017f\u212a") {
			t.Skip() // compose-go's expression folds cases, and takes them for s and k
		}
		agree(t, text)
	})
}
