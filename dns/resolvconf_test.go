package dns

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestForContainer(t *testing.T) {
	const host = `# made by somebody
; and edited
nameserver 192.0.2.53
nameserver fe80::1%eth0
nameserver not-an-address
domain old.example
search corp.example lan
options ndots:2 edns0
options timeout:1
sortlist 130.155.160.0
nameserver
`
	tests := map[string]struct {
		host    string
		service Wishes
		want    string
		forward string
	}{
		"the host's search and options are kept, but for ndots": {
			host,
			Wishes{},
			"nameserver 127.0.0.11\nsearch corp.example lan\noptions edns0 timeout:1 ndots:0\n",
			"[192.0.2.53:53 [fe80::1%eth0]:53]",
		},
		"the service's resolvers are asked instead": {
			host,
			Wishes{Nameservers: addrs("198.51.100.1")},
			"nameserver 127.0.0.11\nsearch corp.example lan\noptions edns0 timeout:1 ndots:0\n",
			"[198.51.100.1:53]",
		},
		"the service's search and options replace the host's": {
			host,
			Wishes{Search: []string{"a.example", "b.example"}, Options: []string{"ndots:3", "use-vc"}},
			"nameserver 127.0.0.11\nsearch a.example b.example\noptions ndots:3 use-vc\n",
			"[192.0.2.53:53 [fe80::1%eth0]:53]",
		},
		"a search for the root is none": {
			host,
			Wishes{Search: []string{"."}, Options: []string{"rotate"}},
			"nameserver 127.0.0.11\noptions rotate ndots:0\n",
			"[192.0.2.53:53 [fe80::1%eth0]:53]",
		},
		"what a service wishes cannot add lines": {
			"",
			Wishes{Search: []string{"a\nnameserver 192.0.2.66"}},
			"nameserver 127.0.0.11\nsearch a nameserver 192.0.2.66\noptions ndots:0\n",
			"[]",
		},
		"resolvers on the host's loopback are asked from the host": {
			"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n",
			Wishes{},
			"nameserver 127.0.0.11\nsearch .\noptions edns0 trust-ad ndots:0\n",
			"[127.0.0.53:53]",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := ParseResolvConf(test.host)
			if diff := cmp.Diff(test.want, c.ForContainer(test.service).String()); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			if got := fmt.Sprint(c.Forwarding(test.service)); got != test.forward {
				t.Errorf("forwards to %s, want %s", got, test.forward)
			}
		})
	}
}

func TestBehindStub(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                      false,
		"nameserver 127.0.0.53":                 true,
		"nameserver 127.0.0.1":                  false,
		"nameserver 127.0.0.53\nnameserver ::1": false,
	} {
		if path, ok := ParseResolvConf(text).BehindStub(); ok != want || ok != (path != "") {
			t.Errorf("%q: %q, %v", text, path, ok)
		}
	}
}

func TestWithoutServer(t *testing.T) {
	c := ParseResolvConf("nameserver 127.0.0.1\nnameserver 192.0.2.53\nnameserver ::1\nsearch lan\n")
	if got, want := c.WithoutServer(Wishes{}).String(), "nameserver 192.0.2.53\nsearch lan\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := c.With(Wishes{Search: []string{"b"}}).String(), "nameserver 127.0.0.1\nnameserver 192.0.2.53\nnameserver ::1\nsearch b\n"; got != want {
		t.Errorf("in the host's network: %q, want %q", got, want)
	}
	if got := c.Nameservers; len(got) != 3 || got[0] != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the original has changed: %v", got)
	}
}

// FuzzResolvConf: what was read and rendered reads the same again.
func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 192.0.2.53\nsearch a b\noptions ndots:1 rotate\n")
	f.Fuzz(func(t *testing.T, text string) {
		once := ParseResolvConf(text).String()
		if twice := ParseResolvConf(once).String(); once != twice {
			t.Errorf("%q becomes %q becomes %q", text, once, twice)
		}
	})
}
