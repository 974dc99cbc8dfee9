package main

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listOfTests names every test of what has to hold.
const listOfTests = "../../docs/tests.md"

// TestListOfTests: each test that docs/tests.md names exists, each numbered thing has a row, and the
// table of the kinds of change is that of the code.
func TestListOfTests(t *testing.T) {
	data, err := os.ReadFile(listOfTests)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	named := 0
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		name := match[1]
		if !isTestName(name) {
			continue
		}
		named++
		if err := findTest(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if named < 100 {
		t.Errorf("it names %d tests only", named)
	}
	for what, n := range map[string]int{"fact": 12, "rule": 40} {
		for i := range n {
			if !strings.Contains(text, fmt.Sprintf("\n| %s %d |", what, i+1)) {
				t.Errorf("%s %d has no row", what, i+1)
			}
		}
	}
	for letter := 'a'; letter <= 'h'; letter++ {
		if !strings.Contains(text, fmt.Sprintf("\n| (%c) |", letter)) {
			t.Errorf("(%c) has no row", letter)
		}
	}
	if table := changesTable(); !strings.Contains(text, table) {
		t.Errorf("it lacks this table:\n%s", table)
	}
}

// isTestName tells names of tests from other code in the text.
func isTestName(name string) bool {
	base := name[strings.LastIndexByte(strings.SplitN(name, ".Test", 2)[0], '/')+1:]
	return strings.HasPrefix(name, "Test") || strings.Contains(name, ".Test") || strings.HasPrefix(name, "scripts/") || path.Ext(base) == ".txtar"
}

// findTest looks for a test: script.txtar, scripts/NAME, TestName of this package, or
// folder.TestName of another one; either with /PART for a part of it.
func findTest(name string) error {
	if strings.HasPrefix(name, "scripts/") {
		_, err := os.Stat(filepath.Join("..", "..", strings.Fields(name)[0]))
		return err
	}
	if path.Ext(name) == ".txtar" {
		_, err := os.Stat(filepath.Join("..", "..", "testscripts", name))
		return err
	}
	folder, test, ok := strings.Cut(name, ".Test")
	if !ok {
		folder, test = "cmd/git-bst", strings.TrimPrefix(name, "Test")
	}
	parts := strings.SplitN("Test"+test, "/", 2)
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !strings.Contains(string(code), "\nfunc "+parts[0]+"(") {
			continue
		}
		if len(parts) > 1 && !hasPart(string(code), parts[0], parts[1]) {
			return fmt.Errorf("%s has no part %q", file, parts[1])
		}
		return nil
	}
	return fmt.Errorf("no file in %s has it", folder)
}

// hasPart reports whether a test has a part of a name.
func hasPart(code, test, part string) bool {
	if test != "TestChanges" {
		return strings.Contains(code, `"`+part+`"`)
	}
	system, kind, _ := strings.Cut(part, "/")
	return systems[system] != nil && slices.ContainsFunc(changes, func(c change) bool { return c.test() == kind })
}

// changesTable is the table of the kinds of change: what is decided in each build system, which is
// the test TestChanges/SYSTEM/KIND.
func changesTable() string {
	names := slices.Sorted(maps.Keys(systems))
	table := "| kind of change | " + strings.Join(names, " | ") + " |\n|---" + strings.Repeat("|---", len(names)) + "|\n"
	for _, change := range changes {
		table += "| " + change.test()
		for _, system := range names {
			decided := change.decided(system)
			if decided == "" {
				decided = "any"
			}
			table += " | " + decided
		}
		table += " |\n"
	}
	return table
}
