// Package settings reads the engine's configuration file, engine.json.
//
// Without a file, and without a key, everything is as it should be for most.
package settings
