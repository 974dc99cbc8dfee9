package keys_test

import (
	"testing"

	"github.com/git-bst/git-bst/keys"
)

// TestTestKey: each input of a test has a part in its key, and nothing else has.
func TestTestKey(t *testing.T) {
	base := func() keys.Test {
		return keys.Test{
			Sysroot: []keys.Staged{{Name: "p:a.bst", Files: "f/1", Location: "/"}}, Root: keys.Root{Kind: keys.RootSysroot},
			Layout: keys.Layout{WorkDir: "/"}, State: map[string]string{"build": "b/1"}, Environment: map[string]string{"A": "1"},
			Command: []string{"true"},
		}
	}
	seen := map[string]string{}
	for name, change := range map[string]func(*keys.Test){
		"nothing":         func(*keys.Test) {},
		"sysroot":         func(k *keys.Test) { k.Sysroot[0].Files = "f/2" },
		"root":            func(k *keys.Test) { k.Root.Kind = keys.RootHost },
		"fingerprint":     func(k *keys.Test) { k.Root.Fingerprint = "x" },
		"sandbox":         func(k *keys.Test) { k.Root.Sandbox = "none" },
		"layout":          func(k *keys.Test) { k.Layout.WorkDir = "/x" },
		"state":           func(k *keys.Test) { k.State["build"] = "b/2" },
		"name of a state": func(k *keys.Test) { k.State = map[string]string{"times": "b/1"} },
		"environment":     func(k *keys.Test) { k.Environment["A"] = "2" },
		"command":         func(k *keys.Test) { k.Command = []string{"true", ""} },
		"script":          func(k *keys.Test) { k.Script = "s/1" },
	} {
		test := base()
		change(&test)
		key, err := test.Key()
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have one key", name, other)
		}
		seen[key] = name
	}
	first, _ := base().Key()
	if second, _ := base().Key(); first != second {
		t.Error("equal inputs have different keys")
	}
}
