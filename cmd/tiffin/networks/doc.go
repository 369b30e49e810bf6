// Package networks has the commands of tiffin network.
//
// They are those of docker network, with its flags, columns, template fields and JSON.
//
// Reading order: command.go (ls, inspect, rm, prune), create.go and pool.go, connect.go,
// row.go and inspect.go (the shapes), filter.go (which networks are meant).
package networks
