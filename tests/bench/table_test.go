package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// row is a line of the table.
type row struct {
	what           string
	took           []time.Duration
	docker, budget time.Duration // zero: not known, none
}

func median(took []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[len(sorted)/2]
}

// writeTable prints the rows in milliseconds; the first is the floor.
func writeTable(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "ms\tmedian\tmin\tmax\tn\t× floor\tdocker\t× faster\tbudget\t\t")
	floor := median(rows[0].took)
	width := 0
	for _, r := range rows {
		width = max(width, len(r.what))
	}
	for _, r := range rows {
		m := median(r.took)
		line := []string{
			fmt.Sprintf("%-*s", width, r.what), ms(m), ms(slices.Min(r.took)), ms(slices.Max(r.took)), fmt.Sprint(len(r.took)), ratio(m, floor),
			ms(r.docker), ratio(r.docker, m), ms(r.budget), verdict(m, r.budget),
		}
		fmt.Fprintln(t, strings.Join(line, "\t")+"\t")
	}
	return t.Flush()
}

func ms(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f", d.Seconds()*1000)
	default:
		return fmt.Sprintf("%.0f", d.Seconds()*1000)
	}
}

func ratio(a, b time.Duration) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(a)/float64(b))
}

func verdict(took, budget time.Duration) string {
	switch {
	case budget == 0:
		return ""
	case took <= budget:
		return "kept"
	default:
		return "over"
	}
}

func TestWriteTable(t *testing.T) {
	const unit = time.Millisecond
	var b strings.Builder
	err := writeTable(&b, []row{
		{"floor", []time.Duration{5 * unit, 4 * unit, 9 * unit}, 0, 0},
		{"run", []time.Duration{20 * unit, 10 * unit, 15 * unit}, 228 * unit, 20 * unit},
		{"up of 50", []time.Duration{450 * unit}, 6533 * unit, 400 * unit},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `
        ms  median   min   max  n  × floor  docker  × faster  budget      
  floor        5.0   4.0   9.0  3      1.0       -         -       -      
  run         15.0  10.0  20.0  3      3.0     228      15.2    20.0  kept
  up of 50     450   450   450  1     90.0    6533      14.5     400  over
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got:%s\nwant:%s", got, want)
	}
}
