// Package change applies Dockerfile instructions to the config of an image. It
// is pure.
package change
