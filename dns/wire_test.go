package dns

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// question is a client's message.
func question(name string, t qtype) []byte {
	m := []byte{0x12, 0x34, flagRecursion, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	if wire := wireName(name); wire != nil {
		m = append(m, wire...)
	} else {
		m = append(m, 0)
	}
	m = binary.BigEndian.AppendUint16(m, uint16(t))
	return binary.BigEndian.AppendUint16(m, classIN)
}

// withEDNS announces a size of responses.
func withEDNS(m []byte, size uint16) []byte {
	m = append(m[:len(m):len(m)], 0, 0, byte(typeOPT))
	m = binary.BigEndian.AppendUint16(m, size)
	m = append(m, 0, 0, 0, 0, 0, 0)
	m[11]++
	return m
}

// describe prints a response as somebody else's parser reads it.
func describe(t *testing.T, m []byte) string {
	t.Helper()
	var p dnsmessage.Parser
	h, err := p.Start(m)
	if err != nil {
		t.Fatalf("%v in %x", err, m)
	}
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(h.RCode.String(), "RCode"))
	if h.Truncated {
		b.WriteString(" tc")
	}
	if h.Authoritative {
		b.WriteString(" aa")
	}
	if !h.Response {
		b.WriteString(" not a response")
	}
	questions, err := p.AllQuestions()
	if err != nil {
		t.Fatalf("%v in %x", err, m)
	}
	for _, q := range questions {
		fmt.Fprintf(&b, " %s?", q.Name)
	}
	answers, err := p.AllAnswers()
	if err != nil {
		t.Fatalf("%v in %x", err, m)
	}
	for _, a := range answers {
		fmt.Fprintf(&b, " %s", describeRecord(a))
	}
	if err := p.SkipAllAuthorities(); err != nil {
		t.Fatalf("%v in %x", err, m)
	}
	extra, err := p.AllAdditionals()
	if err != nil {
		t.Fatalf("%v in %x", err, m)
	}
	for _, e := range extra {
		fmt.Fprintf(&b, " edns %d %v", e.Header.Class, e.Header.ExtendedRCode(h.RCode))
	}
	return b.String()
}

func describeRecord(r dnsmessage.Resource) string {
	ttl := ""
	if r.Header.TTL != 0 {
		ttl = fmt.Sprintf(" for %d s", r.Header.TTL)
	}
	switch body := r.Body.(type) {
	case *dnsmessage.AResource:
		return fmt.Sprintf("%d.%d.%d.%d", body.A[0], body.A[1], body.A[2], body.A[3]) + ttl
	case *dnsmessage.AAAAResource:
		return fmt.Sprintf("%x", body.AAAA) + ttl
	case *dnsmessage.PTRResource:
		return body.PTR.String() + ttl
	}
	return r.Body.GoString() + ttl
}
