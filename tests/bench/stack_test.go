package bench

import (
	"fmt"
	"strings"
)

// idle is a service that does nothing and ends at once when it is told to.
const idle = `
    image: busybox
    command: [sh, -c, "trap 'exit 0' TERM; sleep 1000000 & wait"]
`

// independent is a stack of n services on one network.
func independent(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d:%s", i+1, idle)
	}
	return b.String()
}

// chain is a stack of n services, each of which waits until the one before it is healthy.
func chain(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d:%s", i+1, idle)
		b.WriteString("    healthcheck: {test: [CMD, \"true\"], interval: 1s}\n")
		if i > 0 {
			fmt.Fprintf(&b, "    depends_on: {s%d: {condition: service_healthy}}\n", i)
		}
	}
	return b.String()
}
