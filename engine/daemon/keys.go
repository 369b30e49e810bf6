package daemon

import (
	"fmt"
	"hash/fnv"
)

// defaultRunRoot is where the engine of the whole machine runs.
const defaultRunRoot = "/run/tiffin"

// networkKey tells the networks of engines with other roots apart; the engine of the
// whole machine has none.
func networkKey(runRoot string) string {
	if runRoot == defaultRunRoot {
		return ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(runRoot)) // a hash takes everything
	return fmt.Sprintf("%08x", h.Sum32())
}

// cgroupBase is below which the control groups of an engine's containers are.
func cgroupBase(runRoot string) string {
	if key := networkKey(runRoot); key != "" {
		return "/tiffin-" + key
	}
	return "/tiffin"
}
