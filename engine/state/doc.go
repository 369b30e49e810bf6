// Package state keeps records on disk, each whole or not at all.
//
// A record is a value with a kind and a key ("container", its ID), kept as JSON in
// a bbolt file. Three things are added to what bbolt promises. Writers that come at
// the same time share one transaction and so one fsync, without anybody waiting for
// company: whoever finds the disk free writes for all who came while it was busy.
// Each record carries a checksum of its own: one that does not match is moved out of
// the way with the reason, and all others go on being read. And a file is looked
// through before bbolt gets it, which would crash on a damaged one; such a file is
// made anew from what can be read.
//
// In the file: records/<kind>/<key> → envelope (envelope.go), and
// damaged/<kind>/<key> → JSON of a Damaged.
//
// Reading order: store.go (open, put, delete), commit.go (sharing an fsync), later.go
// (writing without anybody waiting), load.go (read, and set aside what is damaged),
// envelope.go (the bytes of a record), file.go (a file without records), salvage.go
// pages.go (a file that bbolt cannot be given).
//
// Not here: which records there are and what they mean (engine/daemon).
package state
