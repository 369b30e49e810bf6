package engine

// MountType is the kind of a storage mount.
type MountType string

// The types of the Compose specification that a Linux host can carry out.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountTmpfs  MountType = "tmpfs"
	MountImage  MountType = "image"
)

// Mount is one storage mount of a container spec.
type Mount struct {
	Type MountType
	// Source is an absolute host path (bind), a volume's key in a Stack or its full
	// name in a container (volume; "" is an anonymous one), or an image reference.
	Source   string `json:",omitempty"`
	Target   string // absolute path in the container
	ReadOnly bool   `json:",omitempty"`

	// Propagation of a bind: rprivate (the default), private, rshared, shared, rslave, slave.
	Propagation string `json:",omitempty"`
	// CreateHostPath makes a missing bind source as a directory (the short syntax).
	CreateHostPath bool `json:",omitempty"`
	// Recursive of a bind: "" and enabled (read-only all the way down), disabled,
	// writable, readonly.
	Recursive string `json:",omitempty"`
	SELinux   string `json:",omitempty"` // z or Z

	// NoCopy leaves a new volume empty; Subpath mounts a folder of the volume or image.
	NoCopy  bool   `json:",omitempty"`
	Subpath string `json:",omitempty"`
	// Labels are those of an anonymous volume that is made for the mount.
	Labels map[string]string `json:",omitempty"`

	// TmpfsSize 0 is the kernel's default; TmpfsOptions are mount(8) options.
	TmpfsSize    Bytes    `json:",omitempty"`
	TmpfsMode    *uint32  `json:",omitempty"`
	TmpfsOptions []string `json:",omitempty"`
}

// FileMount is a config or a secret: content that is put into a container on
// tmpfs, with an owner and a mode. The command line read it with the caller's rights.
type FileMount struct {
	Kind    FileKind
	Name    string // its key in the Compose file
	Target  string // absolute path
	Content []byte
	// External is the name of a secret in the engine's store, which has the content.
	External string `json:",omitempty"`
	UID      uint32 `json:",omitempty"`
	GID      uint32 `json:",omitempty"`
	Mode     uint32 // permission bits; Compose's default is 0444
}

// FileKind tells a config from a secret.
type FileKind string

// The kinds of files.
const (
	FileConfig FileKind = "config"
	FileSecret FileKind = "secret"
)

// MountPoint is a storage mount as it was resolved for a container.
type MountPoint struct {
	Type MountType
	// Name is the full name of the volume.
	Name string `json:",omitempty"`
	// Source is the host path behind it; "" for tmpfs.
	Source      string `json:",omitempty"`
	Destination string
	Driver      string `json:",omitempty"`
	ReadOnly    bool   `json:",omitempty"`
	Propagation string `json:",omitempty"`
	// Anonymous volumes go with the container on rm -v and down -v.
	Anonymous bool `json:",omitempty"`
	// Spec is what was asked for.
	Spec Mount `json:",omitzero"`
}
