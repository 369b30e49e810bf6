// Package socket is where the engine listens, and who may connect.
//
// The socket is its owner's alone, and a group's when engine.json names one. Who connects is
// looked at once more by the credentials that the kernel has of him: a file's mode says
// nothing where the file was mounted into a container. There it stays when the engine ends: the
// next one listens on it, too (former.go).
package socket
