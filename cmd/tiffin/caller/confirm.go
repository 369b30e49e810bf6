package caller

import (
	"bufio"
	"fmt"
	"strings"
)

// Confirm asks; no answer is no.
func (c *Caller) Confirm(question string) bool {
	fmt.Fprintf(c.Err, "? %s (y/N) ", question)
	answer, _ := bufio.NewReader(c.In).ReadString('\n') // what was said before the end counts
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
