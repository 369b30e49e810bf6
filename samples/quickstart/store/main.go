// Command store keeps a count in a file, for whoever knows the token.
package main

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"tiffin/samples/quickstart/service"
)

const file = "/data/count"

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "init" {
		err = begin()
	} else {
		err = serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "store:", err)
		os.Exit(1)
	}
}

// begin makes the file on a new volume. It runs as a service of its own, before the store.
func begin() error {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Println("a new volume: counting from 0")
	return write(0)
}

func serve() error {
	token, err := service.Token()
	if err != nil && len(os.Args) == 1 {
		return err
	}
	var mu sync.Mutex
	return service.Main(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		n, err := read()
		if err == nil && r.Method == http.MethodPost {
			n++
			err = write(n)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, n)
	}))
}

func read() (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func write(n int) error {
	if err := os.WriteFile(file+".new", []byte(strconv.Itoa(n)), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
