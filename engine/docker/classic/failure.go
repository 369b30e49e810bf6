package classic

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/jsonstream"

	"tiffin/engine"
)

// failure is an error as the last line of an answer.
func failure(err error) *jsonstream.Error {
	if errors.Is(err, context.Canceled) {
		return &jsonstream.Error{Message: "context canceled"}
	}
	text := strings.TrimPrefix(err.Error(), "build "+target+": ")
	if command, code, ok := failedStep(text); ok {
		return &jsonstream.Error{Code: code, Message: fmt.Sprintf("The command '%s' returned a non-zero code: %d", command, code)}
	}
	// What a Compose file would have to say is no help here.
	if hint := engine.HintOf(err); hint != "" && !strings.Contains(hint, "build.") {
		text += ": " + hint
	}
	return &jsonstream.Error{Message: text}
}

// failedStep is how BuildKit says that a RUN did.
func failedStep(text string) (command string, code int, ok bool) {
	const begin, middle = `process "`, `" did not complete successfully: exit code: `
	i, j := strings.Index(text, begin), strings.LastIndex(text, middle)
	if i < 0 || j < i+len(begin) {
		return "", 0, false
	}
	code, err := strconv.Atoi(text[j+len(middle):])
	return text[i+len(begin) : j], code, err == nil
}
