package network

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestWhole(t *testing.T) {
	lost := errors.New("lost")
	for _, c := range []struct {
		name    string
		answers []error // of the first calls; then none
		calls   int
		want    error
	}{
		{"at once", nil, 1, nil},
		{"interrupted", []error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted}, 3, nil},
		{"refused", []error{netlink.ErrDumpInterrupted, lost}, 2, lost},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			list, err := whole(func() (int, error) {
				calls++
				if calls <= len(c.answers) {
					return calls, c.answers[calls-1]
				}
				return calls, nil
			})
			if !errors.Is(err, c.want) || calls != c.calls || list != calls {
				t.Errorf("list %d after %d calls, error %v; want %d calls, error %v", list, calls, err, c.calls, c.want)
			}
		})
	}
}
