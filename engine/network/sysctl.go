package network

import "tiffin/engine/network/router"

// readSysctl reads a kernel parameter of the calling thread's network namespace.
// Names are paths below /proc/sys.
func readSysctl(name string) (string, error) { return router.ReadSysctl(name) }

// writeSysctl writes a kernel parameter of the calling thread's network namespace.
func writeSysctl(name, value string) error { return router.WriteSysctl(name, value) }
