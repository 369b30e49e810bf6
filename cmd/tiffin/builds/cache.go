package builds

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"

	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
	"tiffin/engine/builder/client"
)

// Row is a record of the build cache by the names that docker's JSON and templates have.
type Row struct {
	CreatedAt   string
	Description string
	ID          string
	InUse       bool
	LastUsedAt  string
	Mutable     bool
	Parents     []string
	Reclaimable bool
	Shared      bool
	Size        string
	Type        string
	UsageCount  int
}

// RowOf shows a record as it is now.
func RowOf(r *client.Record, now time.Time) Row {
	row := Row{
		CreatedAt: r.Created.UTC().String(), Description: r.Description, ID: r.ID, InUse: r.InUse, Mutable: r.Mutable, Parents: r.Parents,
		Reclaimable: !r.InUse, Shared: r.Shared, Size: units.HumanSizeWithPrecision(float64(r.Size), 4), Type: r.Type, UsageCount: r.UsageCount,
	}
	if !r.LastUsed.IsZero() {
		row.LastUsedAt = units.HumanDuration(now.Sub(r.LastUsed)) + " ago"
	}
	return row
}

// WriteTable writes a line a record, as docker does.
func WriteTable(w io.Writer, rows []Row) error {
	tw := tabwriter.NewWriter(w, 1, 8, 1, '\t', 0)
	fmt.Fprintln(tw, "ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED")
	for _, r := range rows {
		id := r.ID
		if r.Mutable {
			id += "*"
		}
		size := r.Size
		if r.Shared {
			size += "*"
		}
		fmt.Fprintf(tw, "%s\t%t\t%s\t%s\n", progress.Printable(id), r.Reclaimable, size, r.LastUsedAt)
	}
	return tw.Flush()
}

// WriteRecords writes all that is known of each record, as docker does.
func WriteRecords(w io.Writer, rows []Row) error {
	for _, r := range rows {
		tw := tabwriter.NewWriter(w, 1, 8, 1, '\t', 0)
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(tw, "%s:\t%s\n", name, progress.Printable(value))
			}
		}
		line("ID", r.ID)
		line("Parents", strings.Join(r.Parents, ", "))
		line("Created at", r.CreatedAt)
		line("Mutable", strconv.FormatBool(r.Mutable))
		line("Reclaimable", strconv.FormatBool(r.Reclaimable))
		line("Shared", strconv.FormatBool(r.Shared))
		line("Size", r.Size)
		line("Description", r.Description)
		line("Usage count", strconv.Itoa(r.UsageCount))
		line("Last used", r.LastUsedAt)
		line("Type", r.Type)
		if err := tw.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	return nil
}

// WriteSums writes what the records take together.
func WriteSums(w io.Writer, records []client.Record) error {
	var shared, reclaimable, total engine.Bytes
	for i := range records {
		r := &records[i]
		total += r.Size
		if r.Shared {
			shared += r.Size
		}
		if !r.InUse {
			reclaimable += r.Size
		}
	}
	tw := tabwriter.NewWriter(w, 1, 8, 1, '\t', 0)
	if shared > 0 {
		fmt.Fprintf(tw, "Shared:\t%s\n", Size(shared))
		fmt.Fprintf(tw, "Private:\t%s\n", Size(total-shared))
	}
	fmt.Fprintf(tw, "Reclaimable:\t%s\n", Size(reclaimable))
	fmt.Fprintf(tw, "Total:\t%s\n", Size(total))
	return tw.Flush()
}

// Size is a number of bytes as people read it.
func Size(b engine.Bytes) string { return units.HumanSizeWithPrecision(float64(b), 4) }

// Filters turns docker's filters into those of BuildKit; until=24h keeps what was used since.
func Filters(list []string) (filters []string, keepFor time.Duration, err error) {
	for _, text := range list {
		key, value, ok := strings.Cut(text, "=")
		switch {
		case !ok || key == "":
			return nil, 0, invalid("filter %q is not KEY=VALUE", text)
		case key == "until" || key == "unused-for":
			if keepFor, err = time.ParseDuration(value); err != nil {
				return nil, 0, invalid("filter %q: %q is no length of time: 24h is", text, value)
			}
		case strings.HasSuffix(key, "!") || strings.HasSuffix(key, "~"):
			filters = append(filters, text)
		default:
			filters = append(filters, key+"=="+strings.TrimPrefix(value, "="))
		}
	}
	if len(filters) > 1 {
		filters = []string{strings.Join(filters, ",")} // all of them
	}
	return filters, keepFor, nil
}

func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}
