package engine

import "time"

// Image is an image in the local store.
type Image struct {
	// ID is the digest of the config (sha256:…), Manifest that of the platform's manifest,
	// Digest that of the manifest or index that the names point to.
	ID       string
	Manifest string `json:",omitempty"`
	Digest   string `json:",omitempty"`
	// Names are the tags, familiar form (nginx:alpine), Digests name@digest.
	Names    []string `json:",omitempty"`
	Digests  []string `json:",omitempty"`
	Size     Bytes    // unpacked
	Created  time.Time
	TaggedAt time.Time `json:",omitzero"`
	Platform string    // linux/amd64
	Config   ImageConfig
	Labels   map[string]string `json:",omitempty"`
	// Layers are the diff IDs, base first.
	Layers []string `json:",omitempty"`
}

// ImageConfig is what an image says about the containers made of it (OCI image
// spec, config.md, and Docker's health check).
type ImageConfig struct {
	Entrypoint  []string          `json:",omitempty"`
	Cmd         []string          `json:",omitempty"`
	Env         []string          `json:",omitempty"`
	WorkingDir  string            `json:",omitempty"`
	User        string            `json:",omitempty"`
	Labels      map[string]string `json:",omitempty"`
	Volumes     []string          `json:",omitempty"` // sorted
	Expose      []string          `json:",omitempty"` // sorted, 80/tcp
	StopSignal  string            `json:",omitempty"`
	Shell       []string          `json:",omitempty"`
	OnBuild     []string          `json:",omitempty"`
	Healthcheck *Healthcheck      `json:",omitempty"`
}
