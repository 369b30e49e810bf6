package classic

import (
	"fmt"
	"strconv"
	"strings"

	bk "github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// steps turns BuildKit's progress into the text of Docker's first builder. Stages that build side by side are told
// of as they go on; a line of output that comes in pieces is not torn by another's.
type steps struct {
	told  map[digest.Digest]bool
	lines map[digest.Digest]string // the beginnings of lines
}

func newSteps() *steps {
	return &steps{told: map[digest.Digest]bool{}, lines: map[digest.Digest]string{}}
}

// take returns what is new.
func (s *steps) take(st *bk.SolveStatus) []string {
	var out []string
	for _, v := range st.Vertexes {
		if v.Started != nil && !s.told[v.Digest] {
			s.told[v.Digest] = true
			out = append(out, title(v)...)
		}
	}
	for _, l := range st.Logs {
		text := s.lines[l.Vertex] + string(l.Data)
		end := strings.LastIndexAny(text, "\r\n") + 1
		s.lines[l.Vertex] = text[end:]
		if end > 0 {
			out = append(out, text[:end])
		}
	}
	for _, v := range st.Vertexes {
		if rest := s.lines[v.Digest]; rest != "" && v.Completed != nil {
			delete(s.lines, v.Digest)
			out = append(out, rest+"\n")
		}
	}
	for _, w := range st.Warnings {
		out = append(out, "[Warning] "+string(w.Short)+"\n")
	}
	return out
}

// title is what begins a step; what is no line of the Dockerfile has none.
func title(v *bk.Vertex) []string {
	stage, number, what := stepName(v.Name)
	if number == "" {
		return nil
	}
	if stage != "" && !strings.HasPrefix(stage, "stage-") {
		what = "[" + stage + "] " + what
	}
	out := []string{fmt.Sprintf("Step %s : %s\n", number, what)}
	if v.Cached {
		out = append(out, " ---> Using cache\n")
	}
	return out
}

// stepName takes [linux/amd64 builder 2/3] RUN make apart; what is no step has no number.
func stepName(name string) (stage, number, what string) {
	inside, ok := strings.CutPrefix(name, "[")
	if !ok {
		return "", "", ""
	}
	inside, what, ok = strings.Cut(inside, "] ")
	words := strings.Fields(inside)
	if !ok || len(words) == 0 {
		return "", "", ""
	}
	number = words[len(words)-1]
	n, of, ok := strings.Cut(number, "/")
	if _, err := strconv.Atoi(n); !ok || err != nil {
		return "", "", ""
	}
	if _, err := strconv.Atoi(of); err != nil {
		return "", "", ""
	}
	if len(words) > 1 {
		stage = words[len(words)-2]
	}
	return stage, number, what
}
