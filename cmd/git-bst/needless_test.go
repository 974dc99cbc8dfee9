package main

import (
	"maps"
	"testing"
)

// What failed, was tried again as it was, and is mended then, is continued.
func TestNeedlessAfterRetry(t *testing.T) {
	e := newEdited(t)
	for name, text := range brokenFiles {
		e.write(name, text)
	}
	e.commit("base")
	for _, args := range [][]string{nil, {"--retry"}, {"--retry"}} {
		if got := e.continued(args...); !got.failed {
			t.Fatalf("the broken project is built: %s", got.output)
		}
	}
	fixed(e)
	if got, differs := e.compare(); got.failed || differs != "" || got.verdict != "continue" {
		t.Errorf("%v\n%s", got, differs)
	}
	e.compiledUnits([]string{"c.c", "d.c"})
}

// Several data files that changed at once are no reason to doubt who reads them, where what changed in
// them can't be about each other.
func TestNeedlessAfterData(t *testing.T) {
	e := newEdited(t)
	files := maps.Clone(brokenFiles)
	maps.Copy(files, map[string]string{
		"Makefile": "all: a.out b.out\n%.out: %.json\n\tsed s/http/HTTP/ $< > $@\ninstall: all\n\tinstall -D a.out $(DESTDIR)/a\n\tinstall -D b.out $(DESTDIR)/b\n",
		"a.json":   "{\n\"at\": \"http://example.org/one.html\"\n}\n", "b.json": "{\n\"at\": \"http://example.org/one.html\"\n}\n",
	})
	for name, text := range files {
		e.write(name, text)
	}
	e.commit("base")
	if got := e.continued(); got.failed {
		t.Fatal(got.output)
	}
	e.replace("a.json", "one.html", "two.html")
	e.replace("b.json", "one.html", "two.html")
	if got, differs := e.compare(); got.failed || differs != "" || got.verdict != "continue" {
		t.Errorf("%v\n%s", got, differs)
	}
	e.replace("a.json", "two.html", "b.json")
	e.replace("b.json", "two.html", "three.html")
	if got, differs := e.compare(); got.failed || differs != "" || got.code != "continued-uncountable" {
		t.Errorf("where one names the other: %v\n%s", got, differs)
	}
}
