package single

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"tiffin/engine"
)

// NewName makes a name for a container that nobody has named: two words, and a number
// when all that come to mind are taken.
func NewName(free func(string) bool) string {
	tastes := strings.Fields("amber bold brisk bright calm crisp early fair fresh gentle golden green jolly kind late light lively lucky mellow mild neat nimble plain proud quick quiet ready ripe rustic savory sharp shiny silver simple smart smooth snug solid spicy steady sunny sweet swift tangy tender tidy toasty warm wise zesty")
	dishes := strings.Fields("adobo bento bhaji biryani borscht brioche burek chapati chutney congee couscous crepe curry dal dosa dumpling empanada falafel farinata focaccia gnocchi goulash gyoza halva hummus idli injera kebab kimchi laksa latke lassi mezze miso moussaka naan paella pakora paratha pho pierogi pilaf polenta raita ramen risotto roti samosa soba sushi tagine tamale tempura toast uttapam vada")
	const tries = 20
	for n := range tries {
		name := tastes[rand.IntN(len(tastes))] + "_" + dishes[rand.IntN(len(dishes))] //nolint:gosec // a name, not a secret
		if n >= tries/2 {
			name += strconv.Itoa(rand.IntN(1000)) //nolint:gosec // see above
		}
		if free(name) {
			return name
		}
	}
	return engine.ShortID(engine.NewID())
}

// CheckName checks the name of a container or volume.
//
// Errors: engine.ErrInvalid, in Docker's words, which clients match on.
func CheckName(name string) error {
	wrong := len(name) < 2
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		wrong = wrong || !letter && (i == 0 || !strings.ContainsRune("_.-", r))
	}
	if wrong {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)) //nolint:staticcheck // clients match on Docker's text
	}
	return nil
}
