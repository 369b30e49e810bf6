package plan

import (
	"fmt"
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

func BenchmarkUp(b *testing.B) {
	for _, n := range []int{50, 500} {
		var services []engine.Service
		for i := range n {
			s := service(fmt.Sprintf("s%03d", i), with("data"))
			if i > 0 {
				dependsOn(healthy(services[i/2].Name))(&s)
			}
			services = append(services, s)
		}
		req := &call.UpRequest{Stack: stackOf(services...)}
		empty, full := newHost(), newHost()
		p, err := Up(req, full.obs)
		if err != nil {
			b.Fatal(err)
		}
		if err := full.apply(p, &req.Stack, inSequence); err != nil {
			b.Fatal(err)
		}
		for name, obs := range map[string]*Observed{"from nothing": empty.obs, "nothing to do": full.obs} {
			b.Run(fmt.Sprintf("%d services, %s", n, name), func(b *testing.B) {
				for b.Loop() {
					if _, err := Up(req, obs); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
