// Package docker is the Docker Engine API on the engine's socket.
//
// What speaks to dockerd speaks to tiffin: the docker CLI, docker compose, Testcontainers.
// Routes, JSON and the texts that clients match on are Docker's (docs/api.md lists them);
// what happens is the engine's, and the same for both worlds: docker ps shows what
// tiffin up made, and the other way round.
package docker
