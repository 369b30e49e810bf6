package project

import (
	"fmt"
	"strings"
	"testing"
)

// manyServices is a project of n services of the usual kind, each waiting for the one before.
func manyServices(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, `  s%d:
    image: busybox:${TAG:-1}
    command: [sleep, inf]
    environment:
      NAME: s%d
      HOME_OF: ${HOME}
    ports: ["%d:80"]
    volumes: ["data:/data", "./conf:/conf:ro"]
    healthcheck:
      test: [CMD, "true"]
      interval: 1s
`, i, i, 10000+i)
		if i > 0 {
			fmt.Fprintf(&b, "    depends_on:\n      s%d:\n        condition: service_healthy\n", i-1)
		}
	}
	b.WriteString("volumes:\n  data: {}\n")
	return b.String()
}

// BenchmarkLoad measures Load and Stack together: what every `tiffin up` pays.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			dir := write(b, manyServices(n))
			o := Options{WorkingDir: dir, Name: "bench", Environ: []string{"HOME=/root"}}
			b.ReportAllocs()
			for b.Loop() {
				p, err := Load(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := p.Stack(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
