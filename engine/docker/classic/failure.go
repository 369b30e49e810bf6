package classic

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/jsonstream"

	"tiffin/engine"
)

// failedStep is how BuildKit says that a RUN did.
var failedStep = regexp.MustCompile(`process "((?s).*)" did not complete successfully: exit code: (\d+)`)

// failure is an error as the last line of an answer.
func failure(err error) *jsonstream.Error {
	if errors.Is(err, context.Canceled) {
		return &jsonstream.Error{Message: "context canceled"}
	}
	text := strings.TrimPrefix(err.Error(), "build "+target+": ")
	if found := failedStep.FindStringSubmatch(text); found != nil {
		code, _ := strconv.Atoi(found[2]) // digits
		return &jsonstream.Error{Code: code, Message: fmt.Sprintf("The command '%s' returned a non-zero code: %d", found[1], code)}
	}
	if hint := engine.HintOf(err); hint != "" {
		text += ": " + hint
	}
	return &jsonstream.Error{Message: text}
}
