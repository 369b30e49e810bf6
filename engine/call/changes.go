package call

// ChangeKind is what has become of a file of a container's image.
type ChangeKind uint8

// The kinds, as Docker numbers them.
const (
	ChangeModified ChangeKind = iota
	ChangeAdded
	ChangeDeleted
)

// FileChange is one difference between a container's files and its image's.
type FileChange struct {
	Path string // absolute, in the container
	Kind ChangeKind
}
