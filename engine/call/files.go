package call

import (
	"io/fs"
	"time"
)

// FileRequest is about a path in a container.
type FileRequest struct {
	Container string
	Path      string // absolute, in the container
	// Follow takes what a link leads to for the link.
	Follow bool `json:",omitempty"`
	// Name is what a stream calls what is there; "." leaves out the name of a folder.
	Name string `json:",omitempty"`
}

// FileStat is what is at a path of a container.
type FileStat struct {
	// Path is where it is; another one than was asked for when links were followed.
	Path     string
	Mode     fs.FileMode
	Size     int64 `json:",omitempty"`
	Modified time.Time
	Target   string `json:",omitempty"` // of a link, as it is written there
	// Missing says that nothing is there, but the folder it would be in.
	Missing bool `json:",omitempty"`
}

// WriteRequest puts the files of a tar stream into a folder of a container.
type WriteRequest struct {
	Container string
	Folder    string
	// Owners gives files the owners that the stream names; else root has them.
	Owners bool `json:",omitempty"`
}
