package copies

import (
	"errors"
	"io"
)

// Piped lets one end write what the other one reads. An end that fails ends the other; the error is the reader's own, unless
// it only heard of the writer's.
func Piped(write func(io.Writer) error, read func(io.Reader) error) error {
	r, out := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := write(out)
		_ = out.CloseWithError(err)
		wrote <- err
	}()
	err := read(r)
	_ = r.CloseWithError(errors.Join(err, errEnough))
	if cause := <-wrote; cause != nil && !errors.Is(cause, errEnough) {
		return cause
	}
	return err
}

// errEnough tells a writer that its reader has gone.
var errEnough = errors.New("nobody reads on")
