// Package remote fetches Compose files from registries and git repositories.
//
// It does so with the caller's rights, into a cache folder of the caller. What is new there is asked about on a
// terminal: a Compose file may do anything.
package remote
