package builder

import (
	"os"
	"strings"
	"testing"
)

func TestWhatIsMappedOfTheProgramAndCannotBeWrittenIsGivenBack(t *testing.T) {
	t.Parallel()
	const exe = "/usr/local/bin/tiffin"
	for name, c := range map[string]struct {
		line     string
		from, to uintptr
		ok       bool
	}{
		"code":              {"00400000-016e1000 r-xp 00000000 fe:00 9978307                            " + exe, 0x400000, 0x16e1000, true},
		"constants":         {"016e1000-02ca9000 r--p 012e1000 fe:00 9978307                            " + exe, 0x16e1000, 0x2ca9000, true},
		"data":              {"02ca9000-02d69000 rw-p 028a9000 fe:00 9978307                            " + exe, 0, 0, false},
		"another file":      {"7f0000000000-7f0000001000 r--p 00000000 fe:00 12                         /var/lib/x.db", 0, 0, false},
		"memory of its own": {"c000000000-c000400000 rw-p 00000000 00:00 0", 0, 0, false},
		"the kernel's":      {"7ffc0000-7ffd0000 r-xp 00000000 00:00 0                                  [vdso]", 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to, ok := codeOf(c.line, exe)
			if from != c.from || to != c.to || ok != c.ok {
				t.Errorf("%#x-%#x, %v", from, to, ok)
			}
		})
	}
}

// After it the program still runs, with fewer of its pages in memory.
func TestTheProgramRunsOn(t *testing.T) {
	before := resident(t)
	if err := giveBack(); err != nil {
		t.Fatal(err)
	}
	if after := resident(t); after >= before {
		t.Errorf("%d pages of files were resident, and are %d", before, after)
	}
}

// resident is how much of files is mapped and in memory, in kB.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssFile:"); ok {
			n := 0
			for _, c := range rest {
				if c >= '0' && c <= '9' {
					n = 10*n + int(c-'0')
				}
			}
			return n
		}
	}
	t.Fatal("no RssFile in /proc/self/status")
	return 0
}
