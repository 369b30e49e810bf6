// Package single does what clients ask of one container.
//
// The daemon finds it, by its ID or name, and says what happened; what happens is the
// container's own business.
package single
