package nft

import (
	"fmt"
	"strconv"
	"strings"
)

// String prints the table as nft(8) lists it.
func (t *Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s {\n", t.Family, t.Name)
	for i := range t.Sets {
		t.Sets[i].write(&b)
	}
	for i := range t.Chains {
		t.Chains[i].write(&b)
	}
	return strings.TrimSuffix(b.String(), "\n") + "}\n"
}

func (s *Set) write(b *strings.Builder) {
	kind, of := "set", join(s.Key)
	if s.Data != nil {
		kind, of = "map", of+" : "+join(s.Data)
	}
	fmt.Fprintf(b, "\t%s %s {\n\t\ttype %s\n", kind, s.Name, of)
	if len(s.Elements) > 0 {
		var elements []string
		for _, e := range s.Elements {
			elements = append(elements, e.String())
		}
		fmt.Fprintf(b, "\t\telements = { %s }\n", strings.Join(elements, ",\n\t\t\t     "))
	}
	b.WriteString("\t}\n\n")
}

func (e Element) String() string {
	if e.Data == nil {
		return join(e.Key)
	}
	return join(e.Key) + " : " + join(e.Data)
}

func (c *Chain) write(b *strings.Builder) {
	fmt.Fprintf(b, "\tchain %s {\n", c.Name)
	if c.Hook != nil {
		fmt.Fprintf(b, "\t\t%s\n", c.Hook)
	}
	for _, r := range c.Rules {
		fmt.Fprintf(b, "\t\t%s\n", r)
	}
	b.WriteString("\t}\n\n")
}

func (h *Hook) String() string {
	device := ""
	if h.Device != "" {
		device = fmt.Sprintf(" device %q", h.Device)
	}
	return fmt.Sprintf("type %s hook %s%s priority %s; policy accept;", h.Type, h.At, device, h.priority())
}

func (h *Hook) priority() string {
	switch {
	case h.Priority == 0:
		return "filter"
	case h.Priority == -300:
		return "raw"
	case h.Priority == -100 && h.At == Prerouting:
		return "dstnat"
	case h.Priority == 100 && h.At == Postrouting:
		return "srcnat"
	default:
		return fmt.Sprint(h.Priority)
	}
}

func (p Point) String() string {
	switch p {
	case Prerouting:
		return "prerouting"
	case Input:
		return "input"
	case Forward:
		return "forward"
	case Output:
		return "output"
	case Postrouting:
		return "postrouting"
	case Ingress:
		return "ingress"
	default:
		return "unknown"
	}
}

func (r Rule) String() string {
	words := make([]string, 0, len(r))
	for _, s := range r {
		words = append(words, s.text())
	}
	return strings.Join(words, " ")
}

func (f Field) String() string { return f.info().text }

func (t Type) String() string { return t.info().text }

func (f Flag) String() string { return f.text }

func (v Verdict) String() string {
	switch v {
	case Drop:
		return "drop"
	case Accept:
		return "accept"
	case Return:
		return "return"
	default:
		return "unknown"
	}
}

func (s Is) text() string { return s.Field.String() + " " + s.Value.String() }

func (s Not) text() string { return s.Field.String() + " != " + s.Value.String() }

func (s Begins) text() string { return s.Field.String() + " " + strconv.Quote(s.Text+"*") }

func (s OfFamily) text() string {
	if s.Family == IPv6 {
		return "meta nfproto ipv6"
	}
	return "meta nfproto ipv4"
}

func (s Within) text() string { return s.Field.String() + " " + s.Prefix.String() }

func (s Outside) text() string { return s.Field.String() + " != " + s.Prefix.String() }

func (s Any) text() string {
	names := make([]string, 0, len(s.Flags))
	for _, f := range s.Flags {
		names = append(names, f.String())
	}
	return s.Field.String() + " " + strings.Join(names, ",")
}

func (s In) text() string { return join(s.Fields) + " @" + s.Set }

func (s NotIn) text() string { return join(s.Fields) + " != @" + s.Set }

func (ToHost) text() string { return "fib daddr type local" }

func (NotFromHost) text() string { return "fib saddr type != local" }

func (Spoofed) text() string { return "fib saddr . iif oif 0" }

func (s Rewrite) text() string {
	return s.Over.String() + strings.TrimPrefix(s.Field.String(), "th") + " set " + s.Value.String()
}

func (s DNAT) text() string {
	return fmt.Sprintf("dnat %s to %s map @%s", s.Family, join(s.Fields), s.Map)
}

func (Counter) text() string { return "counter packets 0 bytes 0" }
func (s SNAT) text() string {
	return fmt.Sprintf("snat %s to %s map @%s", s.Family, join(s.Fields), s.Map)
}

func (Masquerade) text() string { return "masquerade" }

func (v Verdict) text() string { return v.String() }

// join writes a concatenation.
func join[T fmt.Stringer](parts []T) string {
	words := make([]string, 0, len(parts))
	for _, p := range parts {
		words = append(words, p.String())
	}
	return strings.Join(words, " . ")
}
