package trace

import (
	"fmt"
	"strings"
)

// words are what Use.Text says, in the order of the bits.
var words = []string{"opened", "listed", "written", "attributes set", "made", "deleted", "moved", "linked", "written late"}

// Text says in words how a path was used; opens is how often a file was opened.
func (u Use) Text(opens uint32) string {
	var said []string
	for i, word := range words {
		if u&(1<<i) == 0 {
			continue
		}
		if Use(1<<i) == Opened && opens > 1 {
			word = fmt.Sprintf("%s %d times", word, opens)
		}
		said = append(said, word)
	}
	return strings.Join(said, ", ")
}
