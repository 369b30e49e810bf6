package runtime

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func rlimitNumbers() map[string]int {
	return map[string]int{
		"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
		"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
		"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE,
		"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS,
		"RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
		"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
	}
}

// rlimit is one limit as prlimit(2) takes it.
type rlimit struct {
	name       string
	number     int
	soft, hard uint64
}

// rlimits checks the limits of a spec. One that is higher than this process may grant is lowered to what it may, with
// a warning. RLIMIT_NOFILE is among them in any case, because neither engine nor keeper have kept theirs as it was.
func (h *Host) rlimits(in []specs.POSIXRlimit) ([]rlimit, []string, error) {
	numbers := rlimitNumbers()
	var out []rlimit
	var warnings []string
	seen := map[string]bool{}
	for _, l := range in {
		number, known := numbers[l.Type]
		switch {
		case !known:
			return nil, nil, fmt.Errorf("rlimit %q is not known: %w", l.Type, ErrInvalid)
		case seen[l.Type]:
			return nil, nil, fmt.Errorf("rlimit %s is given twice: %w", l.Type, ErrInvalid)
		case l.Soft > l.Hard:
			return nil, nil, fmt.Errorf("rlimit %s: soft limit %d is above hard limit %d: %w", l.Type, l.Soft, l.Hard, ErrInvalid)
		}
		seen[l.Type] = true
		r := rlimit{l.Type, number, l.Soft, l.Hard}
		if most := h.HardLimits[l.Type]; r.hard > most && h.Capabilities&capSysResource == 0 {
			r.hard, r.soft = most, min(r.soft, most)
			warnings = append(warnings, fmt.Sprintf(
				"rlimit %s lowered to %d: to raise it takes CAP_SYS_RESOURCE, which the engine does not have", l.Type, most,
			))
		}
		out = append(out, r)
	}
	if !seen["RLIMIT_NOFILE"] && h.Files.Max != 0 {
		out = append(out, rlimit{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, h.Files.Cur, h.Files.Max})
	}
	return out, warnings, nil
}
