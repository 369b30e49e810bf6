// Package volume keeps what containers store: volumes, binds, configs and secrets.
//
// A named volume is a folder, ROOT/<name>/_data, which a container mounts by a
// descriptor. Nothing that an image or a Compose file names is followed as a path of
// the host: folders of volumes and images are opened below their root
// (RESOLVE_IN_ROOT), and content is copied from descriptor to descriptor. What is
// half done never looks done: content is copied into a folder beside its place, and
// a volume is renamed away before it is removed.
//
// Reading order: store.go (make, list, remove), driver.go (driver_opts), populate.go
// copy.go meta.go (the image's content for a new volume), bind.go (binds, subpaths),
// files.go (configs and secrets).
//
// Not here: records of volumes and who uses them (engine/daemon), mounting in a
// container (engine/ocispec says how, engine/runtime does it).
package volume
