// Package bench measures the binary as its users do: a command line in, the time until it returns.
//
// `make bench` prints a table, and one with dockerd. Every figure stands beside the floor of the same run (what the kernel alone
// needs to make the namespaces, by unshare and chroot), since another machine has other figures but the same
// ratios; and beside what docker compose took on the machine of shared/reference/peers.md, and our budget. Nothing
// here fails for being slow: read the table, and put it into the commit that claims something.
//
// Reading order: bench_test.go (what is measured), stack_test.go (the stacks), docker_test.go (the docker CLI), dockerd_test.go
// (the docker CLI with tiffin and with Debian's dockerd, in turn), table_test.go (how it is printed).
package bench
