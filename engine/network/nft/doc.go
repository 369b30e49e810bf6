// Package nft writes nftables tables to the kernel over netlink.
//
// A Table is a value: sets, maps, chains and rules, which String prints in the
// syntax of nft(8) and a Batch turns into messages. The kernel carries out a batch
// as one transaction, so a table is replaced whole, and an address or a port is an
// element that comes and goes without any rule being touched. The nft program is
// not used: a commit by it costs 15 ms, one over netlink 0.1 ms.
//
// Reading order: table.go (the nouns), field.go and statement.go (what rules say),
// value.go (what elements are made of), text.go (printing), batch.go and encode.go
// (messages), conn.go (the socket).
//
// Not here: which rules there are and why (engine/network), reading tables back, and
// the parts of nftables that tiffin has no use for (intervals, timeouts, counters).
package nft
