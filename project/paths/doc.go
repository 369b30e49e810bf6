// Package paths makes the host paths in a Compose file absolute.
//
// It works on the merged document, before that becomes a model, and fills in the few
// defaults that stand beside paths as well: compose-go does both, but compares every
// value with every pattern that it has.
//
// Not here: what the paths lead to. Nothing is opened.
package paths
