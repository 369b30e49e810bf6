// Package secret keeps secrets that Compose files call external.
//
// Each is a file of the data root that its owner alone can read. Content leaves the store only for a container that
// starts; what lists and describes secrets does not read it.
package secret
