// Package builds decides what commands build, and prints the build cache.
//
// Reading order: targets.go (services of a Stack to builds), cache.go (records of the cache as docker prints them, and
// its filters). All of it is pure.
//
// Not here: the flags (cmd/tiffin), what has to be built before up (engine/plan), building (engine/builder/client).
package builds
