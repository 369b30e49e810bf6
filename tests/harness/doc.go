// Package harness lets a test run the real binary, and see what it leaves behind.
//
// A test has roots of its own, and so an engine of its own: New makes both and takes them away again. The engine's
// registry is a real one on loopback with the images of tests/images, standing in for Docker Hub. A test that
// lacks root or a program is skipped; with REQUIRE_ROOT=1, as in CI, it fails.
//
// Leaks are found by looking, before and after, for what carries the name of these roots: mounts, links, network namespaces,
// control groups, nftables, processes, files. What another engine of the machine does meanwhile is not seen.
//
// Reading order: need.go (what a test needs), binary.go, docker.go, tiffin.go (a tiffin of one's own), running.go, registry.go,
// snapshot.go and the files named after what they look at (machine.go, process.go), remains.go, until.go.
package harness
