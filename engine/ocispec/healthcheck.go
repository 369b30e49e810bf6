package ocispec

import (
	"cmp"
	"time"

	"tiffin/engine"
)

// Healthcheck fills what the spec leaves open from the image, and then Docker's defaults.
// There is none when it has no test. One that the engine makes itself is whole as it is.
func Healthcheck(spec, image *engine.Healthcheck) *engine.Healthcheck {
	if spec != nil && spec.Probe != nil {
		return spec
	}
	if spec == nil {
		spec = &engine.Healthcheck{}
	}
	if image == nil {
		image = &engine.Healthcheck{}
	}
	h := engine.Healthcheck{
		Test:          spec.Test,
		Interval:      cmp.Or(spec.Interval, image.Interval, engine.Duration(30*time.Second)),
		Timeout:       cmp.Or(spec.Timeout, image.Timeout, engine.Duration(30*time.Second)),
		Retries:       cmp.Or(spec.Retries, image.Retries, 3),
		StartPeriod:   cmp.Or(spec.StartPeriod, image.StartPeriod),
		StartInterval: cmp.Or(spec.StartInterval, image.StartInterval, engine.Duration(5*time.Second)),
	}
	if len(h.Test) == 0 {
		h.Test = image.Test
	}
	if len(h.Test) == 0 || h.Test[0] == "NONE" {
		return nil
	}
	return &h
}
