package format

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"

	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
)

// Table writes rows under headings, columns three spaces apart as docker does.
func Table(w io.Writer, headings []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	fmt.Fprintln(tw, strings.Join(headings, "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = progress.Printable(row[i])
		}
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	return tw.Flush()
}

// JSONLines writes one object a line.
func JSONLines[T any](w io.Writer, rows []T) error {
	for _, r := range rows {
		if err := JSON(w, r); err != nil {
			return err
		}
	}
	return nil
}

// Indented writes one value for people to read, as docker inspect does.
func Indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return nil
}

// JSON writes one value and the end of the line.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // 0.0.0.0:80->80/tcp
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return nil
}

// Template writes each row by a Go template, as docker's --format does; `table `
// before it asks for headings, which are the names of the fields.
func Template[T any](w io.Writer, format string, rows []T) error {
	return Headed(w, format, rows, nil)
}

// Headed is Template with headings of its own, by the names of the fields.
func Headed[T any](w io.Writer, format string, rows []T, headings map[string]string) error {
	format, table := strings.CutPrefix(format, "table ")
	format = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(format)
	t, err := template.New("format").Funcs(template.FuncMap{
		"json":  func(v any) (string, error) { text, err := json.Marshal(v); return string(text), err },
		"upper": strings.ToUpper, "lower": strings.ToLower, "join": strings.Join, "split": strings.Split,
		"title": strings.ToUpper, "println": fmt.Sprintln,
	}).Parse(format)
	if err != nil {
		return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("template of --format: %w", err)),
			"give table, json, or a Go template such as '{{.Name}}'")
	}
	out := w
	if table {
		tw := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
		defer tw.Flush() //nolint:errcheck // the writer below tells
		out = tw
		fmt.Fprintln(tw, headingsOf(format, headings))
	}
	for i := range rows {
		if err := t.Execute(out, rows[i]); err != nil {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("template of --format: %w", err))
		}
		fmt.Fprintln(out)
	}
	return nil
}

// headingsOf turns `{{.Name}}\t{{.Status}}` into `NAME\tSTATUS`.
func headingsOf(format string, names map[string]string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(format, "{{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		inside, after, _ := strings.Cut(rest, "}}")
		if i := strings.LastIndexByte(inside, '.'); i >= 0 {
			name, _, _ := strings.Cut(strings.TrimSpace(inside[i+1:]), " ")
			heading, known := names[name]
			if !known {
				heading = strings.ToUpper(name)
			}
			b.WriteString(heading)
		}
		format = after
	}
}
