// Package option knows the log drivers, and what they can be told.
//
// Not here: the logs (engine/logs), and what writes them (engine/keeper).
package option

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/docker/go-units"
)

// Limits bound a log: it is kept in that many files of that many bytes.
type Limits struct {
	Size  int64
	Files int
}

// Unlike with Docker, logs are bounded unless the user says otherwise.
const (
	defaultSize  = 64 << 20
	defaultFiles = 4
)

// None is the driver that keeps nothing.
const None = "none"

// Drivers are those that tiffin has. Both that keep something do it in one way.
var Drivers = []string{"json-file", "local", None}

// keys are the options of Docker's json-file driver, and those that every driver has; see
// https://docs.docker.com/engine/logging/drivers/json-file/.
var keys = []string{
	"cache-compress", "cache-disabled", "cache-max-file", "cache-max-size", "compress", "env", "env-regex",
	"labels", "labels-regex", "max-buffer-size", "max-file", "max-size", "mode", "tag",
}

// Parse reads what a container says of its log; "" is json-file. Errors name the driver or the option.
func Parse(driver string, options map[string]string) (Limits, error) {
	l := Limits{Size: defaultSize, Files: defaultFiles}
	switch {
	case driver == "":
		driver = Drivers[0]
	case driver == None:
		return l, nil // as by dockerd, which does not look at them
	case !slices.Contains(Drivers, driver):
		return l, fmt.Errorf("there is no log driver %q", driver)
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains(keys, name) {
			return l, fmt.Errorf("unknown log opt '%s' for %s log driver", name, driver)
		}
	}
	var err error
	if text := options["max-size"]; text != "" {
		if l.Size, err = units.RAMInBytes(text); err != nil {
			return l, fmt.Errorf("logging max-size: %w", err)
		}
		l.Files = 1
	}
	if text := options["max-file"]; text != "" {
		if l.Files, err = strconv.Atoi(text); err != nil || l.Files < 1 {
			return l, fmt.Errorf("logging max-file: %q is no number above 0", text)
		}
	}
	return l, nil
}
