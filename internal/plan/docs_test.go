package plan_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every code is a word that scripts may rely on, so each is in the documentation.
func TestCodesAreDocumented(t *testing.T) {
	source, err := os.ReadFile("plan.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/decision.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\tCode\w+\s+Code = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 30 {
		t.Fatalf("only %d codes found", len(codes))
	}
	for _, code := range codes {
		if !strings.Contains(string(doc), "`"+code[1]+"`") {
			t.Errorf("docs/decision.md does not have %s", code[1])
		}
	}
}
