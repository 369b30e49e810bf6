package secrets

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
)

// Row is a secret as ls shows it, by docker's names.
type Row struct {
	CreatedAt string
	Driver    string
	ID        string
	Labels    string
	Name      string
	UpdatedAt string

	labels map[string]string
}

// Label is the value of a label, for templates.
func (r Row) Label(name string) string { return r.labels[name] }

// RowOf shows a secret; it does not change, so it was updated when it was made.
func RowOf(s *engine.Secret, now time.Time) Row {
	ago := units.HumanDuration(now.Sub(s.Created)) + " ago"
	var words []string
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		words = append(words, key+"="+s.Labels[key])
	}
	return Row{CreatedAt: ago, ID: s.ID, Labels: strings.Join(words, ","), Name: s.Name, UpdatedAt: ago, labels: s.Labels}
}

// Columns is the table of ls.
func Columns(rows []Row) (headings []string, cells [][]string) {
	for _, r := range rows {
		cells = append(cells, []string{r.ID, r.Name, r.Driver, r.CreatedAt, r.UpdatedAt})
	}
	return []string{"ID", "NAME", "DRIVER", "CREATED", "UPDATED"}, cells
}

// Inspected is a secret as inspect shows it, in docker's shape.
type Inspected struct {
	ID        string
	Version   struct{ Index uint64 }
	CreatedAt time.Time
	UpdatedAt time.Time
	Spec      Spec
}

// Spec is what was asked for.
type Spec struct {
	Name   string
	Labels map[string]string
}

// Inspect shows a secret.
func Inspect(s *engine.Secret) Inspected {
	labels := s.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return Inspected{ID: s.ID, CreatedAt: s.Created, UpdatedAt: s.Created, Spec: Spec{s.Name, labels}}
}

// Pretty is for people.
func (i *Inspected) Pretty(w io.Writer) error {
	const at = "2006-01-02 15:04:05.999999999 -0700 MST"
	var b strings.Builder
	fmt.Fprintf(&b, "ID:              %s\nName:            %s\n", i.ID, i.Spec.Name)
	if len(i.Spec.Labels) > 0 {
		b.WriteString("Labels:\n")
		for _, key := range slices.Sorted(maps.Keys(i.Spec.Labels)) {
			fmt.Fprintf(&b, " - %s=%s\n", key, i.Spec.Labels[key])
		}
	}
	fmt.Fprintf(&b, "Driver:\nCreated at:      %s\nUpdated at:      %s\n", i.CreatedAt.Format(at), i.UpdatedAt.Format(at))
	_, err := io.WriteString(w, b.String())
	return err
}

// pairs reads KEY=VALUE and KEY.
func pairs(flag string, texts []string) (map[string]string, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		if key == "" {
			return nil, caller.Invalid("invalid --%s %q: it has no name", flag, text)
		}
		out[key] = value
	}
	return out, nil
}

// Filter says whether a secret is to be shown.
type Filter func(*engine.Secret) bool

// ParseFilters reads --filter: values of one key are alternatives, but for labels, which are all wanted.
func ParseFilters(texts []string) (Filter, error) {
	alternatives := map[string][]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		switch {
		case !ok:
			return nil, caller.Invalid("invalid argument %q for \"--filter\": it must be KEY=VALUE", text)
		case !slices.Contains([]string{"id", "name", "label"}, key):
			return nil, caller.Invalid("invalid filter %q: say id, name or label", key)
		}
		alternatives[key] = append(alternatives[key], value)
	}
	begins := func(text string, with []string) bool {
		return len(with) == 0 || slices.ContainsFunc(with, func(w string) bool { return strings.HasPrefix(text, w) })
	}
	return func(s *engine.Secret) bool {
		for _, label := range alternatives["label"] {
			key, value, valued := strings.Cut(label, "=")
			if got, ok := s.Labels[key]; !ok || valued && got != value {
				return false
			}
		}
		return begins(s.ID, alternatives["id"]) && begins(s.Name, alternatives["name"])
	}, nil
}
