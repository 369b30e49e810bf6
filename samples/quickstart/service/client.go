package service

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// Get gives the body of a page. The token, when there is one, says who asks.
func Get(ctx context.Context, url, token string) (string, error) {
	return Do(ctx, http.MethodGet, url, token)
}

// Do gives the body of the answer to a request; an answer other than 200 is an error.
func Do(ctx context.Context, method, url, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}

// Token is the secret that api and store share.
func Token() (string, error) {
	token, err := os.ReadFile("/run/secrets/token")
	return strings.TrimSpace(string(token)), err
}
