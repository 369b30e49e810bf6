// Package artifact reads and writes Compose projects in registries.
//
// Their form is docker compose's OCI artifact. It works with the caller's rights, in the process of the command line.
package artifact
