// Command app is a guest book: entries in PostgreSQL, a count of visits in Redis.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/lib/pq"
	"github.com/redis/go-redis/v9"
)

const addr = ":8080"

const page = `<!DOCTYPE html>
<title>Guest book</title>
<h1>Guest book</h1>
<p>{{.Visits}} visits</p>
<ul>
{{- range .Entries}}
<li><b>{{.Name}}</b>: {{.Message}}</li>
{{- end}}
</ul>
<form method="post" action="/sign"><input name="name"> <input name="message"> <button>Sign</button></form>
`

func main() {
	run := serve
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		run = check
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

// check asks the app in the same container whether it is well.
func check(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1"+addr+"/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

type guestbook struct {
	db    *sql.DB
	redis *redis.Client
	page  *template.Template
}

type entry struct{ Name, Message string }

func serve(ctx context.Context) error {
	password, err := os.ReadFile("/run/secrets/db_password")
	if err != nil {
		return err
	}
	database := url.URL{
		Scheme: "postgres",
		User:   url.UserPassword("guestbook", strings.TrimSpace(string(password))),
		Host:   cmp.Or(os.Getenv("DB_HOST"), "db"), Path: "guestbook", RawQuery: "sslmode=disable&connect_timeout=2",
	}
	db, err := sql.Open("postgres", database.String())
	if err != nil {
		return err
	}
	defer db.Close()
	cache := redis.NewClient(&redis.Options{Addr: cmp.Or(os.Getenv("CACHE_HOST"), "cache") + ":6379"})
	defer cache.Close()
	tmpl, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	g := guestbook{db, cache, tmpl}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", answer(g.show))
	mux.HandleFunc("POST /sign", answer(g.sign))
	mux.HandleFunc("GET /health", answer(g.health))
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
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

func answer(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			fmt.Fprintln(os.Stderr, "app:", err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func (g guestbook) show(w http.ResponseWriter, r *http.Request) error {
	visits, err := g.redis.Incr(r.Context(), "visits").Result()
	if err != nil {
		return err
	}
	rows, err := g.db.QueryContext(r.Context(), "SELECT name, message FROM entries ORDER BY id DESC LIMIT 20")
	if err != nil {
		return err
	}
	defer rows.Close()
	var entries []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.Name, &e.Message); err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return g.page.Execute(w, map[string]any{"Visits": visits, "Entries": entries})
}

func (g guestbook) sign(w http.ResponseWriter, r *http.Request) error {
	_, err := g.db.ExecContext(r.Context(), "INSERT INTO entries (name, message) VALUES ($1, $2)",
		r.FormValue("name"), r.FormValue("message"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (g guestbook) health(w http.ResponseWriter, r *http.Request) error {
	if err := g.db.PingContext(r.Context()); err != nil {
		return err
	}
	if err := g.redis.Ping(r.Context()).Err(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "ok")
	return err
}
