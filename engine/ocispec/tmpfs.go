package ocispec

import (
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
)

// tmpfsOptions are Docker's defaults with what the mount says on top; the last word on
// each option counts.
func tmpfsOptions(point engine.MountPoint) ([]string, error) {
	want := point.Spec
	words := slices.Clone(want.TmpfsOptions)
	if want.TmpfsSize > 0 {
		words = append(words, "size="+strconv.FormatInt(int64(want.TmpfsSize), 10))
	}
	if want.TmpfsMode != nil {
		words = append(words, "mode="+strconv.FormatUint(uint64(*want.TmpfsMode), 8))
	}
	if point.ReadOnly {
		words = append(words, "ro")
	}
	options := []string{"noexec", "nosuid", "nodev"}
	for _, word := range words {
		key, ok := tmpfsKey(word)
		if !ok {
			return nil, invalid("tmpfs %s: option %q is not known", point.Destination, word)
		}
		options = slices.DeleteFunc(options, func(o string) bool {
			other, _ := tmpfsKey(o)
			return other == key
		})
		options = append(options, word)
	}
	return options, nil
}

// tmpfsKey is what an option is about: nosuid and suid are about the same.
func tmpfsKey(option string) (string, bool) {
	name, _, hasValue := strings.Cut(option, "=")
	if hasValue {
		return name, slices.Contains([]string{"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge"}, name)
	}
	switch name {
	case "ro", "rw":
		return "rw", true
	case "noatime", "relatime", "strictatime":
		return "atime", true
	default:
		name = strings.TrimPrefix(name, "no")
		return name, slices.Contains([]string{"suid", "dev", "exec", "diratime"}, name)
	}
}
