package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestJSONIsInTheDocumentation looks for every schema that this package prints in docs/format.md.
func TestJSONIsInTheDocumentation(t *testing.T) {
	docs, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	schema := regexp.MustCompile(`"(git-bst\.[a-z]+)"`)
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range schema.FindAllSubmatch(code, -1) {
			if !strings.Contains(string(docs), "| `"+string(match[1])+"` |") {
				t.Errorf("%s prints %s, which docs/format.md does not describe", file, match[1])
			}
		}
	}
}

// TestExitCodesAreInTheDocumentation compares the codes of the help with README and docs.
func TestExitCodesAreInTheDocumentation(t *testing.T) {
	for _, file := range []string{"../../README.md", "../../docs/format.md"} {
		docs, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range exitCodes {
			if !regexp.MustCompile(fmt.Sprintf(`\b%d [a-z]`, e.code)).Match(docs) {
				t.Errorf("%s lacks exit code %d (%s)", file, e.code, e.meaning)
			}
		}
	}
}
