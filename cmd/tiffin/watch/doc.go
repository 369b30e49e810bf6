// Package watch has the containers of services follow the source on this host.
//
// Reading order: rules.go (which paths count), folders.go (what has changed on disk), batch.go (what that leads to),
// watch.go (doing it).
//
// What has changed is found by looking, not taken from events: an event says in which folder to look, and a folder is
// compared with what it was. So nothing is lost that is renamed, replaced, made at once with its content, or that the
// kernel's queue had no room for.
//
// Not here: what the rules say (project/develop), and writing into containers (engine/tree, at the engine).
package watch
