package networks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/engine/plan"
)

// Filter says of a network, and of how many containers are on it, whether it is meant.
type Filter func(n *engine.Network, users int) bool

// ParseFilters reads --filter KEY=VALUE. Filters of one key are alternatives, those of
// several keys, and of labels, are all to be met.
func ParseFilters(texts []string, now time.Time) (Filter, error) {
	alternatives := map[string][]Filter{}
	var all []Filter
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, invalid("invalid argument %q for \"--filter\": it must be KEY=VALUE", text)
		}
		f, err := parseFilter(key, value, now)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(key, "label") || key == "until" {
			all = append(all, f)
			continue
		}
		alternatives[key] = append(alternatives[key], f)
	}
	return func(n *engine.Network, users int) bool {
		met := func(f Filter) bool { return f(n, users) }
		for _, some := range alternatives {
			if !slices.ContainsFunc(some, met) {
				return false
			}
		}
		return !slices.ContainsFunc(all, func(f Filter) bool { return !met(f) })
	}, nil
}

func parseFilter(key, value string, now time.Time) (Filter, error) {
	switch key {
	case "driver":
		return func(n *engine.Network, _ int) bool { return Driver(n) == value }, nil
	case "id":
		return func(n *engine.Network, _ int) bool { return strings.HasPrefix(n.ID, value) }, nil
	case "name":
		return func(n *engine.Network, _ int) bool { return strings.Contains(n.Spec.Name, value) }, nil
	case "scope":
		return func(*engine.Network, int) bool { return value == scope }, nil
	case "type":
		if value != "builtin" && value != "custom" {
			return nil, invalid("invalid filter 'type=%s': builtin and custom are known", value)
		}
		return func(n *engine.Network, _ int) bool { return plan.IsPredefined(n) == (value == "builtin") }, nil
	case "dangling":
		want, err := strconv.ParseBool(value)
		if err != nil {
			return nil, invalid("invalid filter 'dangling=%s': true and false are known", value)
		}
		return func(n *engine.Network, users int) bool { return !plan.IsPredefined(n) && (users == 0) == want }, nil
	case "label":
		return labelled(value), nil
	case "label!":
		has := labelled(value)
		return func(n *engine.Network, users int) bool { return !has(n, users) }, nil
	case "until":
		until, err := readTime(value, now)
		return func(n *engine.Network, _ int) bool { return n.Created.Before(until) }, err
	default:
		return nil, invalid("invalid filter '%s=%s': driver, id, label, name, scope, type, dangling and until are known", key, value)
	}
}

func labelled(text string) Filter {
	key, value, valued := strings.Cut(text, "=")
	return func(n *engine.Network, _ int) bool {
		got, there := n.Labels()[key]
		return there && (!valued || got == value)
	}
}

func readTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return now, invalid("invalid filter 'until=%s': 24h, 2026-01-02T15:04:05Z and seconds since 1970 are known", text)
	}
	return time.Unix(seconds, 0), nil
}

func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}
