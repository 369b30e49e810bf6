package engine

import "time"

// VolumeSpec is a volume that a Stack wants.
type VolumeSpec struct {
	Key        string // in the Compose file
	Name       string // on the host: project_key, or as given
	Hash       string `json:",omitempty"`
	External   bool   `json:",omitempty"`
	Driver     string `json:",omitempty"` // "" and local
	DriverOpts map[string]string
	Labels     map[string]string `json:",omitempty"`
}

// Volume is a volume that exists.
type Volume struct {
	Name       string
	Project    string `json:",omitempty"`
	Created    time.Time
	Spec       VolumeSpec
	Mountpoint string // host path of its content
	// Anonymous volumes were made for one container.
	Anonymous bool `json:",omitempty"`
	// Fresh says that nothing was mounted from it yet: the image's content is copied in.
	Fresh bool `json:",omitempty"`
}
