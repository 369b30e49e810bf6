package api

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"tiffin/engine"
)

func TestATunnelIsTheConnectionItself(t *testing.T) {
	t.Parallel()
	r := serve(t, &fake{build: func(_ context.Context, conn net.Conn) error {
		text, err := io.ReadAll(conn)
		if err != nil {
			return err
		}
		_, err = conn.Write([]byte(strings.ToUpper(string(text))))
		return err
	}})
	conn, err := r.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const text = "bytes of a protocol that this package does not know"
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if err := conn.(bufferedConn).Conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != strings.ToUpper(text) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestATunnelEndsWithTheServer(t *testing.T) {
	t.Parallel()
	cause := make(chan error, 1)
	r := serve(t, &fake{build: func(ctx context.Context, _ net.Conn) error {
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil
	}})
	conn, err := r.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the client reads %v", err)
	}
	if err := <-cause; !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("it ended because of %v", err)
	}
}

func TestATunnelToNobodyIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := NewClient(socketPath(t)).Build(t.Context())
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
