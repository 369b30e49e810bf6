package ocispec

import (
	"slices"
	"strings"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what a process sees: the engine's defaults, over them the image's
// variables, over those the layers given, the last one on top. A layer's KEY without
// a value takes the variable away.
func environment(defaults []string, layers ...[]string) []string {
	env := slices.Clone(defaults)
	for _, layer := range layers {
		for _, entry := range layer {
			env = setVariable(env, entry)
		}
	}
	return env
}

// setVariable puts an entry in the place of the variable's former one.
func setVariable(env []string, entry string) []string {
	key, _, hasValue := strings.Cut(entry, "=")
	i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, key+"=") })
	switch {
	case key == "":
		return env
	case !hasValue && i >= 0:
		return slices.Delete(env, i, i+1)
	case !hasValue:
		return env
	case i >= 0:
		env[i] = entry
		return env
	default:
		return append(env, entry)
	}
}

// withHome adds HOME where nobody has set it.
func withHome(env []string, home string) []string {
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "HOME=") }) {
		return env
	}
	if home == "" {
		home = "/"
	}
	return append(env, "HOME="+home)
}
