// Package image keeps images: pulls, loads, lists, saves and removes them.
//
// The store is containerd's, in process: blobs by digest (content/local), records and references in a bbolt file
// (core/metadata), one overlay directory a layer (snapshots/overlay), leases for what is under way and a garbage
// collector for what nothing points to. The one idea to know: **an image record is the root, and it is written
// last**. Blobs and layers of a pull belong to a lease until the record points to them; so an image is never half
// there, and what a killed pull had fetched is used by the next one. What never changes (manifests, configs, the
// folders of layers) is read once and kept in memory, so that starting a container touches no database. Where the
// root filesystem of an image is, the label on its config's blob says, and nothing else: builds name snapshots as
// they like.
//
// Reading order: store.go (what it is made of), name.go (references), document.go and config.go (a stranger's
// JSON, checked), facts.go (what is known of an image), resolve.go (find one), pull.go fetch.go unpack.go
// publish.go durable.go (make one), flight.go progress.go (tell about it), hold.go remove.go (keep and drop one),
// load.go import.go save.go; then, for builds: backing.go (what they stand on), applier.go shared.go (their
// layers), adopt.go (what they made becomes an image).
//
// Not here: HTTP and its guards (image/registry), tar and its guards (image/layer), credentials of the user
// (image/credentials), writable layers and mounts (the daemon's).
package image
