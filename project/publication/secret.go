package publication

import (
	"fmt"
	"strings"
)

// Secret is a text that looks like one.
type Secret struct {
	Kind  string // docker compose's name of the kind
	Key   string // where in the file
	Value string
	Place string // file:line:col
}

// Shown is the beginning of the value: enough to know which it is, and nothing that a log should not have.
func (s Secret) Shown() string {
	const enough = 4
	line, _, _ := strings.Cut(s.Value, "\n")
	if strings.HasPrefix(line, pemBegin) {
		return line
	}
	runes := []rune(line)
	if len(runes) <= 2*enough {
		return "…"
	}
	return string(runes[:enough]) + "…"
}

const pemBegin = "-----BEGIN "

// secretIn says what kind of secret a value has in it, and which text that is; "" if none. key says where it stands.
func secretIn(key, value string) (kind, found string) {
	if i := strings.Index(value, pemBegin); i >= 0 && strings.Contains(value[i:], "PRIVATE KEY") {
		return "Private Key", value[i:]
	}
	if url := passwordURL(value); url != "" {
		return "URL with a password", url
	}
	for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return !isIn(r, "_-.") }) {
		if kind := wordKind(word); kind != "" {
			return kind, word
		}
	}
	if strings.Contains(strings.ToLower(key), "aws") {
		for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return !isIn(r, "+/") }) {
			if len(word) == 40 {
				return "AWS Secret Key", word
			}
		}
	}
	return "", ""
}

// wordKind knows secrets by their shape.
func wordKind(word string) string {
	switch {
	case awsClientID(word):
		return "AWS Client ID"
	case begins(word, 36, "ghp_", "gho_", "ghu_", "ghs_", "ghr_") || begins(word, 22, "github_pat_"):
		return "Github authentication"
	case begins(word, 10, "xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-"):
		return "Slack token"
	case begins(word, 20, "sk_live_", "rk_live_"):
		return "Stripe key"
	case jsonWebToken(word):
		return "JSON Web Token"
	default:
		return ""
	}
}

// begins says that a word has one of the beginnings, and so much or more behind it.
func begins(word string, rest int, with ...string) bool {
	for _, w := range with {
		if tail, ok := strings.CutPrefix(word, w); ok && len(tail) >= rest {
			return true
		}
	}
	return false
}

func awsClientID(word string) bool {
	if len(word) != 20 || strings.ToUpper(word) != word || strings.ContainsAny(word, "_-.") {
		return false
	}
	return begins(word, 16, "AKIA", "AGPA", "AIDA", "AROA", "AIPA", "ANPA", "ANVA", "ASIA", "A3T")
}

// jsonWebToken knows the beginning of an object of JSON in base64.
func jsonWebToken(word string) bool {
	parts := strings.Split(word, ".")
	return len(parts) == 3 && begins(parts[0], 8, "eyJ") && begins(parts[1], 8, "eyJ") && len(parts[2]) >= 8
}

// passwordURL finds scheme://user:password@host with a password that is no variable.
func passwordURL(value string) string {
	for word := range strings.FieldsSeq(value) {
		_, rest, ok := strings.Cut(word, "://")
		authority, _, _ := strings.Cut(rest, "/")
		i := strings.LastIndexByte(authority, '@')
		if !ok || i < 0 {
			continue
		}
		_, password, _ := strings.Cut(authority[:i], ":")
		if literal(password) {
			return word
		}
	}
	return ""
}

func isIn(r rune, others string) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(others, r)
}

// sensitiveName says that a variable is a secret by its name. One that names a file is none: that is how secrets should be given.
func sensitiveName(name string) bool {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !isIn(r, "") })
	if len(words) == 0 || words[len(words)-1] == "file" {
		return false
	}
	for i, word := range words {
		switch word {
		case "pass", "pwd", "pw", "passphrase", "secrets", "tokens", "passwords", "credential", "credentials", "apikey":
			return true
		case "key", "keys":
			if i > 0 && strings.Contains(" api access auth account client db database encryption master private priv secret service signing ", " "+words[i-1]+" ") {
				return true
			}
		}
		for _, end := range []string{"password", "passwd", "secret", "token"} { // PGPASSWORD
			if strings.HasSuffix(word, end) {
				return true
			}
		}
	}
	return false
}

// scanEnvFile finds secrets in an env file that goes along.
func (m *maker) scanEnvFile(f File) {
	n := 0
	for line := range strings.Lines(string(f.Content)) {
		n++
		key, value, pair := strings.Cut(strings.TrimSpace(line), "=")
		if !pair {
			key, value = "", line
		}
		key = strings.TrimPrefix(strings.TrimSpace(key), "export ")
		if kind, found := secretIn(key, strings.TrimSpace(value)); kind != "" {
			m.out.Findings.Secrets = append(m.out.Findings.Secrets, Secret{kind, key, found, fmt.Sprintf("%s:%d", m.where.Show(f.Path), n)})
		}
	}
}
