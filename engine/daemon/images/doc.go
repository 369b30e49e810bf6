// Package images does what callers ask of the image store.
//
// The store keeps images, and registries send them; here is who may remove them, and what listeners are told.
package images
