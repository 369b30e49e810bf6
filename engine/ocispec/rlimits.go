package ocispec

import (
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

// rlimits translates ulimits; a container without any inherits the engine's.
func rlimits(ulimits []engine.Ulimit) ([]specs.POSIXRlimit, error) {
	var out []specs.POSIXRlimit
	for _, u := range ulimits {
		name := strings.ToLower(u.Name)
		soft, hard := limit(u.Soft), limit(u.Hard)
		switch {
		case !knownLimit(name):
			return nil, invalid("ulimit %q is not known", u.Name)
		case u.Soft < -1 || u.Hard < -1:
			return nil, invalid("ulimit %s: a limit is -1 (unlimited) or more", name)
		case soft > hard:
			return nil, invalid("ulimit %s: soft limit %d is above hard limit %d", name, u.Soft, u.Hard)
		}
		out = append(out, specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(name), Soft: soft, Hard: hard})
	}
	slices.SortFunc(out, func(a, b specs.POSIXRlimit) int { return strings.Compare(a.Type, b.Type) })
	for i := 1; i < len(out); i++ {
		if out[i].Type == out[i-1].Type {
			return nil, invalid("ulimit %s is given twice", strings.ToLower(strings.TrimPrefix(out[i].Type, "RLIMIT_")))
		}
	}
	return out, nil
}

func limit(n int64) uint64 {
	if n == -1 {
		return math.MaxUint64
	}
	return uint64(n)
}

func knownLimit(name string) bool {
	return slices.Contains([]string{
		"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
		"rttime", "sigpending", "stack",
	}, name)
}
