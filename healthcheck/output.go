package healthcheck

import "sync"

// MaxOutput is how much of a probe's output is kept, in bytes.
const MaxOutput = 4096

// Output collects what a probe prints: the beginning, and that there was more.
// It takes everything, so that the probe never blocks on it. Stdout and stderr
// may both write to it. The zero value is ready.
type Output struct {
	mu   sync.Mutex
	kept []byte
	more bool
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	room := min(len(p), MaxOutput-len(o.kept))
	o.kept = append(o.kept, p[:room]...)
	o.more = o.more || room < len(p)
	return len(p), nil
}

// String is what was written so far, with "..." where it was cut off.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more {
		return string(o.kept) + "..."
	}
	return string(o.kept)
}
