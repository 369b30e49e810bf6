package explain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	// mark begins a comment until all are put in one column.
	mark = "#\u2060 "
	// column is where comments stand, unless values reach further.
	column = 40
)

// YAML is the project with the origin of each value in a comment behind it. It can be loaded as a Compose file.
func (p *Project) YAML() ([]byte, error) {
	for _, v := range p.Values() {
		v.Node.LineComment = mark + strings.Join(strings.Fields(v.Origin.String()), " ")
	}
	escape(p.Config)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(p.Config); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return aligned(out.String()), nil
}

// escape doubles dollars.
func escape(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		node.Value = strings.ReplaceAll(node.Value, "$", "$$")
	}
	for _, child := range node.Content {
		escape(child)
	}
}

// aligned puts comments in one column, two blanks at least behind the values.
func aligned(text string) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(text) {
		i := strings.LastIndex(line, mark)
		if i < 0 {
			out.WriteString(line)
			continue
		}
		value := strings.TrimRight(line[:i], " ")
		pad := max(column-utf8.RuneCountInString(value), 2)
		out.WriteString(value + strings.Repeat(" ", pad) + "# " + line[i+len(mark):])
	}
	return out.Bytes()
}

// JSON is an object with a member for each value: its path, to the value and where it comes from.
func (p *Project) JSON() ([]byte, error) {
	type explained struct {
		Value any `json:"value"`
		Origin
	}
	out := map[string]explained{}
	for _, v := range p.Values() {
		e := explained{Origin: v.Origin}
		if err := v.Node.Decode(&e.Value); err != nil {
			return nil, fmt.Errorf("write JSON: %w", err)
		}
		out[Key(v.Path)] = e
	}
	text, err := json.MarshalIndent(out, "", "  ")
	return append(text, '\n'), err
}
