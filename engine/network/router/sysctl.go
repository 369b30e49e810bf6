package router

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ReadSysctl reads a kernel parameter of the calling thread's network namespace.
// Names are paths below /proc/sys.
func ReadSysctl(name string) (string, error) {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return "", fmt.Errorf("read a kernel parameter: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// WriteSysctl writes a kernel parameter of the calling thread's network namespace.
func WriteSysctl(name, value string) error {
	f, err := os.OpenFile("/proc/sys/"+name, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set a kernel parameter: %w", err)
	}
	_, err = f.WriteString(value)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("set a kernel parameter to %q: %w", value, err)
	}
	return nil
}
