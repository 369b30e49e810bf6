// Package layer unpacks one verified image layer into a directory, guarded.
//
// A layer is a stranger's archive, unpacked as root. So the stream is bounded (bytes, entries, ratio, free space),
// each entry is looked at before it touches the disk, and the unpacking itself (containerd's pkg/archive) runs on
// a thread of its own that sees nothing but the folder of that layer. Layers know nothing of each other, so that
// they can be unpacked at the same time; a folder that one leaves out inherits when they are stacked.
// Decompression runs ahead on another thread; the digest of the plain stream is returned, for the caller to
// compare with the image's configuration before the layer is used.
//
// Reading order: apply.go (the whole), guard.go (what an entry may be), stream.go (compression, reading ahead),
// confine.go (the thread), inherit.go (folders left out), space.go (the
// reserve).
//
// Not here: where blobs come from and whether their digest is right (engine/image), and what layers are stacked.
package layer
