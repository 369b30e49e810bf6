package call

// CommitRequest asks for an image of what a container has changed in its files.
type CommitRequest struct {
	Container string // ID, name or the beginning of an ID
	// Name is the image's, REPOSITORY[:TAG]; "": it is there by its ID alone.
	Name            string   `json:",omitempty"`
	Author, Message string   `json:",omitempty"`
	Changes         []string `json:",omitempty"` // instructions of a Dockerfile
	// NoPause lets the container run on while its files are read.
	NoPause bool `json:",omitempty"`
}
