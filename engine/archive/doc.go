// Package archive turns files into a tar stream, and a tar stream into files.
//
// Both below a root in which somebody may change things at the same time.
//
// What is in a container is its own: links that lead out, names that change between two looks, pipes
// that nobody writes to, folders without end. So a path is looked up once, by the kernel, below the
// root (openat2 with RESOLVE_IN_ROOT), and from then on there are descriptors: what is found is opened
// below its folder and through no link. Nothing of the container is executed or loaded (CVE-2019-14271),
// no path of it is ever joined to one of the host (CVE-2018-15664), and nothing is decompressed here
// (CVE-2026-41567).
//
// It knows no containers: the command line copies to and from its caller's files by it, too.
package archive
