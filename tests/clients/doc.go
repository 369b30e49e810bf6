// Package clients lets what people use with dockerd speak to tiffin's engine: the docker
// CLI and what calls it (dev containers, GitHub's runner), docker compose, act,
// github.com/moby/moby/client and Testcontainers. None of them is a fake, and none knows that
// it is not dockerd that answers.
//
// It is a module of its own, so that the product's go.mod names none of them. The docker
// CLI and its plugins are built from their Go modules, once, into the tests' cache.
//
// Reading order: engine_test.go (the engine), scripts_test.go (the CLI, by
// testdata/*.txtar), methods_test.go (every method of the Go client), executors_test.go (what
// runners of CI jobs call), containers_test.go (Testcontainers), reaper_test.go and
// node_test.go (with its reaper: reaper, in sessions: session, node).
package clients
