package volume

import "runtime"

func lockThread() { runtime.LockOSThread() }
