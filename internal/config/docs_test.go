package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/config"
)

// TestSettingsAreInTheDocumentation compares the table in docs/format.md with ours.
func TestSettingsAreInTheDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "<!-- settings:")
	_, rest, _ = strings.Cut(rest, "-->\n")
	got, _, _ := strings.Cut(rest, "<!-- end of settings -->")
	if want := settingsTable(); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("docs/format.md must have this between its markers:\n\n%s", want)
	}
}

func settingsTable() string {
	var out strings.Builder
	out.WriteString("| setting | default | form | what | variable | in .git-bst.toml |\n|---|---|---|---|---|---|\n")
	for _, s := range config.Settings() {
		form := s.Form.String()
		if len(s.Choices) > 0 {
			form = strings.Join(s.Choices, ", ")
		}
		consent := []string{"", "asked", "not none"}[s.Consent]
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | `%s` | %s |\n", s.Key, s.Default, form, s.Doc, s.Env(), consent)
	}
	return out.String()
}
