package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"

	"tiffin/engine"
)

// settings are the engine's configuration, DataRoot/engine.json.
type settings struct {
	// Mirrors are asked before a registry, by its host: {"docker.io": ["http://127.0.0.1:5000"]}.
	Mirrors map[string][]string `json:"registry-mirrors"`
	// Insecure registries may be spoken to without TLS.
	Insecure []string      `json:"insecure-registries"`
	Build    buildSettings `json:"build"`
}

// buildSettings are about builds.
type buildSettings struct {
	// Entitlements are what a build may be granted when its caller grants it: network.host (the default) and
	// security.insecure.
	Entitlements *[]string `json:"entitlements"`
	// CacheSize bounds the cache, in bytes; 0 is a share of the disk.
	CacheSize engine.Bytes `json:"cache-size"`
	// Linger is how long the builder stays in memory for the next build; 0 is 15 s.
	Linger engine.Duration `json:"linger"`
}

func (s *settings) entitlements() []string {
	if s.Build.Entitlements == nil {
		return []string{"network.host"}
	}
	return *s.Build.Entitlements
}

func readSettings(path string) (settings, error) {
	var s settings
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("settings %s: %w", path, err)),
			`it is JSON with the keys "registry-mirrors", "insecure-registries" and "build"`)
	}
	return s, nil
}

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
