package engine

// Job is a process with a container's isolation and no record: a step of a build. It
// ends with the engine.
type Job struct {
	ID string // 64 hex digits
	// Root is what it sees as /.
	Root Tree
	// Mounts are in the order in which they are mounted.
	Mounts []JobMount
	// Spec says what runs (Cmd is all of it) and how far it is isolated. Its
	// NetworkMode is bridge, host or none; storage, ports and health have no meaning.
	Spec ContainerSpec
	// SweepParents removes the folders above mount points, too, that were made for them.
	SweepParents bool
}

// JobMount is a tree that a job sees somewhere.
type JobMount struct {
	Target   string
	Tree     Tree
	ReadOnly bool
}

// Tree is a file tree: an overlay of folders, one folder or file of the host, or an
// empty tmpfs.
type Tree struct {
	// Lower are the layers of an overlay, top first; Upper and Work its writable one.
	Lower       []string
	Upper, Work string
	// Source is a folder or file of the host, when Lower is empty.
	Source string
	// Tmpfs are the options of a tmpfs, when there is neither.
	Tmpfs []string
	// Subpath is what of it is meant. No link leads out of the tree.
	Subpath string
}
