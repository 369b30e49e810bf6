package call

import (
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// ImportRequest asks for an image of a root filesystem.
type ImportRequest struct {
	Name     string // REPOSITORY[:TAG]; "": it is there by its ID alone
	Config   engine.ImageConfig
	Comment  string `json:",omitempty"`
	Platform string `json:",omitempty"` // os/arch[/variant]; "": the host's
}

// ImageDetails is what only who asks for one image wants to know of it.
type ImageDetails struct {
	Author, Comment string
	// Target is what its names point to, a manifest or an index; Sent is what a push sends.
	Target, Sent ocispec.Descriptor
	History      []HistoryStep // oldest first
	// Trees are what its files take on the disk, base first.
	Trees     []ImageTree
	Manifests []ImageManifest
}

// HistoryStep is what once changed an image.
type HistoryStep struct {
	Created            time.Time
	CreatedBy, Comment string
	// Empty steps made no layer; the others have the size of theirs.
	Empty bool
	Size  engine.Bytes
}

// ImageTree is a layer as it is unpacked. Images that have one of the same key share it.
type ImageTree struct {
	Key  string
	Size engine.Bytes
}

// ImageManifest is one of an index's, or the only one.
type ImageManifest struct {
	Descriptor ocispec.Descriptor
	// Attests is the digest of the image that it says something about, when it is no image itself.
	Attests string
	// Available says that all of it is here. Content is what its blobs take that are.
	Available bool
	Content   engine.Bytes
	// Image and Unpacked are the ID and the size of what containers can be made of; "" and 0 where that is not here.
	Image    string
	Unpacked engine.Bytes
	Platform ocispec.Platform
}

// RemoteImage is what a registry says of an image.
type RemoteImage struct {
	Descriptor ocispec.Descriptor
	Platforms  []ocispec.Platform
}
