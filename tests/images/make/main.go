// Command make fills the cache with the images that tests pull, and with other people's firewalls, unless they are there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"tiffin/tests/images"
	"tiffin/tests/packages"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	_, err := images.Open(ctx, func(line string) { fmt.Fprintln(os.Stderr, "tests/images:", line) })
	if err == nil {
		_, err = packages.Unpack(ctx, packages.Firewalls...)
	}
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "tests/images:", err)
	if os.Geteuid() == 0 || os.Getenv("REQUIRE_ROOT") == "1" {
		os.Exit(1)
	}
	// The tests that need them are skipped.
}
