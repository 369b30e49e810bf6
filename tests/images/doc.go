// Package images makes the real images that tests pull, and serves them.
//
// Nothing here is a fake: the root filesystems come from Debian's packages (busybox-static, and mmdebstrap with
// the package sources that the machine is configured for), nginx, redis and postgres are installed on top with
// entry points that behave like the public images', and Debian's docker-registry serves the result on a loopback
// port. The names are the public ones that samples use; the version behind a name is Debian's.
//
// Everything is made once and kept in a folder outside the repository, $TIFFIN_TEST_CACHE or
// /var/cache/tiffin-tests, under a key that changes with the recipes and the package sources. What is made is
// the same, byte for byte, as long as the packages are.
//
// Reading order: cache.go (what is made when), recipe.go (which images), rootfs.go and install.sh (their files),
// pack.go (files to layer), image.go (layers to image), store.go (an OCI layout), archive.go (files for load),
// registry.go (serving and pushing). The command in make fills the cache.
package images
