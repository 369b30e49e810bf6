package daemon

import (
	"context"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/plan"
)

// awaitCondition returns when the container meets the condition, or cannot any more.
func awaitCondition(ctx context.Context, c *container.Container, condition engine.Condition) (word string, err error) {
	for {
		record, changed := c.Watch()
		v := plan.Judge(&record, condition)
		switch {
		case v.Err != nil:
			return "", v.Err
		case v.Met:
			return v.Word, nil
		}
		select {
		case <-changed:
		case <-c.Gone:
			return "", fmt.Errorf("dependency failed to start: container %s was removed", record.Name)
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}
