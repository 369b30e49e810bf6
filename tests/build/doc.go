// Package build runs a corpus of Dockerfiles through the real binary, and attacks it.
//
// Each file of testdata is a script: a Dockerfile, its context, and what has to become of them by the rules of the
// Dockerfile reference. What is compared is the image as `tiffin save` writes it (configuration, history, files), as
// text; and for each image, that a container sees the very same files. Builds go straight to the engine by BuildKit's
// own client, so a test may send what the command line never would.
//
// One engine builds the whole corpus, and what it has in the kernel afterwards is what it had before.
//
// An attack may be refused or come to nothing: what lies outside is as it was before, and was seen by nobody.
//
// Dockerfiles like those of nginx, redis and postgres make the images that tests/images makes without tiffin, and a sample
// runs on them.
//
// Reading order: corpus_test.go (the scripts and their commands), solve_test.go (one build), image_test.go tree_test.go
// (an image as text), seen_test.go probe (as a container sees it), peers_test.go (servers of files and repositories, an
// ssh-agent), leak_test.go; public_test.go packages_test.go testdata/public (public images); outside_test.go (what is not
// to be reached), attack_test.go (from contexts, archives, images, repositories and steps in BuildKit's own terms),
// step_test.go (from inside a step).
package build
