// Command api counts visits in the store, and tells how many there were.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"tiffin/samples/quickstart/service"
)

func main() {
	if err := service.Main(http.HandlerFunc(visit)); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func visit(w http.ResponseWriter, r *http.Request) {
	visits, err := count(r)
	if err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		http.Error(w, "the store does not answer", http.StatusBadGateway)
		return
	}
	host, _ := os.Hostname()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"visits": visits, "counted_by": host})
}

func count(r *http.Request) (int, error) {
	token, err := service.Token()
	if err != nil {
		return 0, err
	}
	answer, err := service.Do(r.Context(), http.MethodPost, os.Getenv("STORE_URL"), token)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(answer))
}
