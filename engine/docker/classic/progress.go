package classic

import (
	"fmt"
	"regexp"
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

// stepName takes [linux/amd64 builder 2/3] RUN make apart.
var stepName = regexp.MustCompile(`^\[(?:([^\]]*) )?(\d+)/(\d+)\] (?s)(.*)$`)

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
	found := stepName.FindStringSubmatch(v.Name)
	if found == nil {
		return nil
	}
	stage := found[1]
	if i := strings.LastIndexByte(stage, ' '); i >= 0 {
		stage = stage[i+1:] // behind the platform
	}
	what := found[4]
	if stage != "" && !strings.HasPrefix(stage, "stage-") {
		what = "[" + stage + "] " + what
	}
	out := []string{fmt.Sprintf("Step %s/%s : %s\n", found[2], found[3], what)}
	if v.Cached {
		out = append(out, " ---> Using cache\n")
	}
	return out
}
