// Command make fills the cache with the images that tests pull, unless they are there.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"tiffin/tests/images"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	_, err := images.Open(ctx, func(line string) { fmt.Fprintln(os.Stderr, "tests/images:", line) })
	if errors.Is(err, images.ErrNeedsRoot) && os.Getenv("REQUIRE_ROOT") != "1" {
		fmt.Fprintln(os.Stderr, "tests/images:", err)
		return // the tests that need them are skipped
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests/images:", err)
		os.Exit(1)
	}
}
