// Package service is what the three programs of the quickstart have in common.
package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// addr is where every service of the quickstart listens; each has an address of its own, so the ports may be the same.
const addr = ":8080"

// Main serves the handler until SIGTERM, and answers GET /health beside it. Called with the argument healthcheck it asks
// the service in the same container instead, and fails when that is not well.
func Main(handler http.Handler) error {
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		return check()
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	server := &http.Server{Addr: addr, Handler: logged(mux), ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	fmt.Fprintln(os.Stderr, "listening on", addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func check() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := Get(ctx, "http://127.0.0.1"+addr+"/health", "")
	return err
}

// logged prints a line for each request but those of the health check.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			fmt.Fprintln(os.Stderr, r.Method, r.URL.Path, "from", r.RemoteAddr)
		}
		next.ServeHTTP(w, r)
	})
}
