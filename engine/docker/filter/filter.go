// Package filter is the filters of the Docker Engine API's lists.
package filter

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tiffin/engine"
)

// Args are filters: for each name the values, of which one has to fit.
type Args map[string]map[string]bool

// Parse reads the query parameter. Old clients write lists, new ones sets.
//
// Errors: engine.ErrInvalid for what is neither, and for names that known does not have.
func Parse(text string, known ...string) (Args, error) {
	if text == "" {
		return Args{}, nil
	}
	args := Args{}
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		lists := map[string][]string{}
		if json.Unmarshal([]byte(text), &lists) != nil {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("invalid filter: %w", err))
		}
		args = Args{}
		for name, values := range lists {
			args[name] = map[string]bool{}
			for _, v := range values {
				args[name][v] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !slices.Contains(known, name) {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("invalid filter '%s'", name))
		}
	}
	return args, nil
}

// Values are the values of a filter, sorted.
func (a Args) Values(name string) []string { return slices.Sorted(maps.Keys(a[name])) }

// Has says that there is such a filter.
func (a Args) Has(name string) bool { return len(a[name]) > 0 }

// Is says that the filter lets an exact value through; without the filter everything is.
func (a Args) Is(name, value string) bool { return !a.Has(name) || a[name][value] }

// Any says that the filter lets one of some values through.
func (a Args) Any(name string, values ...string) bool {
	return !a.Has(name) || slices.ContainsFunc(values, func(v string) bool { return a[name][v] })
}

// Prefix says that the value begins with one of the filter's.
func (a Args) Prefix(name, value string) bool {
	return a.match(name, func(want string) bool { return strings.HasPrefix(value, want) })
}

// Matches says that one of the values fits one of the filter's, which are regular
// expressions, or parts of it that are not.
func (a Args) Matches(name string, values ...string) bool {
	return a.match(name, func(want string) bool {
		re, err := regexp.Compile(want)
		return slices.ContainsFunc(values, func(v string) bool {
			if err != nil {
				return strings.Contains(v, want)
			}
			return re.MatchString(v)
		})
	})
}

// Labels says that the labels have all that the filter asks for: key, or key=value. The
// filter's name may be label or label!, which asks for none of it.
func (a Args) Labels(labels map[string]string) bool {
	has := func(want string) bool {
		key, value, exact := strings.Cut(want, "=")
		got, ok := labels[key]
		return ok && (!exact || got == value)
	}
	for want := range a["label"] {
		if !has(want) {
			return false
		}
	}
	for unwanted := range a["label!"] {
		if has(unwanted) {
			return false
		}
	}
	return true
}

// Bool reads a filter that is a truth value; not there, it is def.
//
// Errors: engine.ErrInvalid.
func (a Args) Bool(name string, def bool) (bool, error) {
	if !a.Has(name) {
		return def, nil
	}
	yes := a[name]["1"] || a[name]["true"]
	no := a[name]["0"] || a[name]["false"]
	if yes == no {
		return def, engine.Problem(engine.ErrInvalid, fmt.Errorf("invalid filter '%s=%v'", name, a.Values(name)))
	}
	return yes, nil
}

func (a Args) match(name string, fits func(string) bool) bool {
	if !a.Has(name) {
		return true
	}
	for want := range a[name] {
		if fits(want) {
			return true
		}
	}
	return false
}
