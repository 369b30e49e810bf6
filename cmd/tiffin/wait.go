package main

import (
	"context"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/api"
)

// waitFirst waits for the first container to end, and then takes the project down.
func (c *cli) waitFirst(ctx context.Context, client *api.Client, t target, list []engine.Container) error {
	type end struct {
		id   string
		code int
		err  error
	}
	waitCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan end, len(list))
	for i := range list {
		go func() {
			code, err := client.Wait(waitCtx, list[i].ID)
			ends <- end{list[i].ID, code, err}
		}()
	}
	first := <-ends
	if first.err != nil {
		return first.err
	}
	fmt.Fprintf(c.out, "container %q exited with status code %d\n", first.id, first.code)
	p := c.newProgress("down")
	err := client.Down(ctx, &engine.DownRequest{Project: t.name, Stack: t.stack}, p.report)
	p.finish()
	if err != nil {
		return err
	}
	return exitWith(first.code)
}
