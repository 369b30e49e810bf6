// Package lease ties a project to the connection of its caller. It is taken away, with its volumes,
// when the caller says so, fails, or is gone, be it by a SIGKILL. Who carries that out is behind an interface.
package lease
