package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"tiffin/engine"
)

// Settings are what engine.json says; the zero value is what holds without it.
type Settings struct {
	// Mirrors are asked before a registry, by its host: {"docker.io": ["http://127.0.0.1:5000"]}.
	Mirrors map[string][]string `json:"registry-mirrors"`
	// Insecure registries may be spoken to without TLS: host, host:port or CIDR.
	Insecure []string `json:"insecure-registries"`
	Build    Build    `json:"build"`
	// OtherFirewalls says what becomes of the host's other firewalls that drop what they do not know: Open or Leave;
	// "" is Open.
	OtherFirewalls string `json:"other-firewalls"`
}

// What can be done about other firewalls: containers' packets are let through, or the firewalls are left as they are.
const (
	Open  = "open"
	Leave = "leave"
)

// Build is about builds.
type Build struct {
	// Entitlements are what a build may be granted when its caller grants it, too: network.host and
	// security.insecure. Without the key: network.host.
	Entitlements *[]string `json:"entitlements"`
	// CacheSize bounds the cache, in bytes; 0 is a share of the disk.
	CacheSize engine.Bytes `json:"cache-size"`
	// Linger is how long the builder stays in memory for the next build; 0 is 15 s.
	Linger engine.Duration `json:"linger"`
}

// Granted are the entitlements of builds.
func (b *Build) Granted() []string {
	if b.Entitlements == nil {
		return []string{"network.host"}
	}
	return *b.Entitlements
}

// Read reads the file at path, which need not be there. A key that nobody knows is an
// error: it may be one that somebody relies on.
//
// Errors: engine.ErrInvalid.
func Read(path string) (Settings, error) {
	var s Settings
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&s)
	if err == nil && decoder.More() {
		err = errors.New("there is something after its end")
	}
	if f := s.OtherFirewalls; err == nil && f != "" && f != Open && f != Leave {
		err = fmt.Errorf("other-firewalls is %q, and can be %q or %q", f, Open, Leave)
	}
	if err != nil {
		return s, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("settings %s: %w", path, err)),
			`it is JSON with the keys "registry-mirrors", "insecure-registries", "build" and "other-firewalls"`)
	}
	return s, nil
}
