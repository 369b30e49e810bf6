// Package build runs a corpus of Dockerfiles through the real binary, and attacks it.
//
// Each file of testdata is a script: a Dockerfile, its context, and what has to become of them by the rules of the
// Dockerfile reference. What is compared is the image as `tiffin save` writes it (configuration, history, files), as
// text; and for each image, that a container sees the very same files. Builds go straight to the engine by BuildKit's
// own client, so a test may send what the command line never would.
//
// One engine builds the whole corpus, and what it has in the kernel afterwards is what it had before.
//
// Reading order: corpus_test.go (the scripts and their commands), solve_test.go (one build), image_test.go tree_test.go
// (an image as text), peers_test.go (servers of files and repositories, an agent), probe (a program for inside), then the attacks.
package build
