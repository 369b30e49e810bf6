// Package output reads what containers have written, those of many at once.
//
// Reading order: merge.go (what there is, in the order of time), follow.go (what comes,
// of containers that are made later, too, until all have ended).
//
// Not here: how a log lies on disk (engine/logs), and how lines look (cmd/tiffin/lines).
package output
