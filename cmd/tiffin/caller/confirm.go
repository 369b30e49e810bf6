package caller

import (
	"fmt"
	"io"
	"strings"
)

// Confirm asks; no answer is no.
func (c *Caller) Confirm(question string) bool {
	fmt.Fprintf(c.Err, "? %s (y/N) ", question)
	answer := strings.ToLower(strings.TrimSpace(line(c.In)))
	return answer == "y" || answer == "yes"
}

// line reads one. What is behind it stays for the next question: yes | tiffin publish answers all of them.
func line(in io.Reader) string {
	var out []byte
	for b := make([]byte, 1); ; {
		n, err := in.Read(b)
		if n == 1 && b[0] != '\n' {
			out = append(out, b[0])
		}
		if err != nil || n == 1 && b[0] == '\n' {
			return string(out) // what was said before the end counts
		}
	}
}
