package container

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tiffin/engine"
)

func TestPS(t *testing.T) {
	const ef = "UID  PID  PPID  CMD\nroot  1  0  /sbin/init splash\nroot 20 1 sleep  1000\nbob   3  1 a\u00a0b c\n"
	for name, c := range map[string]struct{ out, want string }{
		"ours only":                 {ef, "UID PID PPID CMD|root 20 1 sleep 1000|bob 3 1 a\u00a0b c"},
		"no PID":                    {"UID CMD\nroot init\n", "Couldn't find PID field in ps output"},
		"nothing":                   {"", "Couldn't find PID field in ps output"},
		"a PID that is none":        {"PID CMD\nx y\n", "Unexpected pid 'x'"},
		"threads follow":            {"  PID TTY CMD\n   20 ? sleep\n    - - -\n    1 ? init\n    - - -\n", "PID TTY CMD|20 ? sleep|- - -"},
		"only PIDs":                 {"PID\n1\n20\n\n", "PID|20"},
		"a command that is missing": {"PID CMD\n20\n3 x\n", "PID CMD|3 x"},
	} {
		var got string
		top, err := parsePS(c.out, []int{20, 3})
		if err != nil {
			got = err.Error()
		} else {
			rows := []string{strings.Join(top.Titles, " ")}
			for _, r := range top.Processes {
				if len(r) != len(top.Titles) {
					t.Errorf("%s: %q has %d columns, want %d", name, r, len(r), len(top.Titles))
				}
				rows = append(rows, strings.Join(r, " "))
			}
			got = strings.Join(rows, "|")
		}
		if !strings.HasPrefix(got, c.want) || err == nil && got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestPSOfTheHost(t *testing.T) {
	self := []int{os.Getpid()}
	for args, want := range map[string]string{
		"-o pid,comm":           fmt.Sprintf("PID %d", self[0]),
		"aux":                   fmt.Sprintf("USER PID %d", self[0]),
		"-eo pid,comm f":        fmt.Sprintf("PID %d", self[0]), // not with -q
		"-o comm":               "Couldn't find PID field in ps output",
		"-o cmd=PID":            `specifying "cmd=PID" is not allowed`,
		"-o ppid= PIDS":         `specifying "ppid=PIDS" is not allowed`,
		"--nosuch":              "ps: ",
		"-o pid;touch${IFS}/no": "ps: ",
	} {
		got := ""
		top, err := topOf(t.Context(), strings.Fields(args), self)
		if err != nil {
			got = err.Error()
			if !errors.Is(err, engine.ErrInvalid) {
				t.Errorf("%s: %v is not of the kind that says what is wrong", args, err)
			}
		} else {
			for i, title := range top.Titles {
				if title == "PID" || title == "USER" {
					got += title + " "
				}
				if title == "PID" && len(top.Processes) == 1 {
					got += top.Processes[0][i]
				}
			}
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := topOf(t.Context(), []string{"aux"}, self); !errors.Is(err, engine.ErrUnsupported) || !strings.Contains(err.Error(), "no ps") {
		t.Errorf("without ps: %v", err)
	}
}
