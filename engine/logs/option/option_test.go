package option

import "testing"

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		driver  string
		options map[string]string
		want    Limits
		err     string
	}{
		"nothing said":      {want: Limits{64 << 20, 4}},
		"a size alone":      {"json-file", map[string]string{"max-size": "10k"}, Limits{10 << 10, 1}, ""},
		"size and files":    {"local", map[string]string{"max-size": "1m", "max-file": "3", "compress": "true"}, Limits{1 << 20, 3}, ""},
		"files alone":       {"", map[string]string{"max-file": "2"}, Limits{64 << 20, 2}, ""},
		"none takes all":    {"none", map[string]string{"whatever": "1"}, Limits{64 << 20, 4}, ""},
		"unknown driver":    {driver: "syslog", err: `there is no log driver "syslog"`},
		"unknown option":    {"", map[string]string{"max-size": "1m", "maxsize": "1m"}, Limits{}, "unknown log opt 'maxsize' for json-file log driver"},
		"no size":           {"", map[string]string{"max-size": "much"}, Limits{}, "logging max-size: invalid size: 'much'"},
		"no number":         {"", map[string]string{"max-file": "2x"}, Limits{}, `logging max-file: "2x" is no number above 0`},
		"no file, no limit": {"", map[string]string{"max-file": "0"}, Limits{}, `logging max-file: "0" is no number above 0`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(test.driver, test.options)
			switch {
			case test.err != "":
				if err == nil || err.Error() != test.err {
					t.Errorf("got %v, want %q", err, test.err)
				}
			case err != nil:
				t.Error(err)
			case got != test.want:
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
