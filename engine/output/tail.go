package output

import (
	"context"
	"strings"

	"tiffin/engine/container"
	"tiffin/engine/logs"
)

// Tail are the last lines of a container that has ended; none when its log cannot be read.
func Tail(ctx context.Context, c *container.Container, lines int) []string {
	var text strings.Builder
	_ = logs.Read(ctx, c.LogDir(), logs.Query{Tail: lines, Stdout: true, Stderr: true}, nil, func(e logs.Entry) error {
		text.Write(e.Data)
		return nil
	})
	all := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	return all[max(0, len(all)-lines):]
}
