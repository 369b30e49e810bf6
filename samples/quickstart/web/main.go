// Command web shows a page with what the api says.
package main

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"os"

	"tiffin/samples/quickstart/service"
)

const page = `<!DOCTYPE html>
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
<p>Visit number {{.Visits}}, counted by {{.CountedBy}}.</p>
`

func main() {
	tmpl, err := template.New("page").Parse(page)
	if err == nil {
		err = service.Main(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { show(w, r, tmpl) }))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func show(w http.ResponseWriter, r *http.Request, tmpl *template.Template) {
	data := struct {
		Title     string
		Visits    int
		CountedBy string `json:"counted_by"`
	}{Title: os.Getenv("TITLE")}
	answer, err := service.Get(r.Context(), os.Getenv("API_URL"), "")
	if err == nil {
		err = json.Unmarshal([]byte(answer), &data)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		http.Error(w, "the api does not answer", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = tmpl.Execute(w, data)
}
