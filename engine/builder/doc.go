// Package builder builds images: BuildKit's solver in the engine.
package builder
