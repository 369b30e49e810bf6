// Package ipam chooses subnets for networks, and addresses for containers.
//
// It decides only: what is taken on the host its caller finds out.
//
// Reading order: pool.go (subnets), addresses.go (what is in them).
package ipam
