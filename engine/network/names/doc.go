// Package names decides which names lead to which addresses on a network.
//
// For containers, and for the programs of the host if they are to find containers, too. The zones that come of it are
// served by package dns; whose they are, and in which namespace they are asked, is engine/network's.
//
//	network.go    who answers to which name (pure)
//	host.go       the name server for the host's programs
//	resolvers.go  the host's own resolvers, as they are at the moment
package names
