// Package hostrun runs a program of the caller's on the host. Its streams are the caller's,
// signals are handed on, and it does not outlive the caller.
package hostrun
