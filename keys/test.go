package keys

// TestFormat is the version of a test's key.
const TestFormat = 1

// Test is all that the verdict of a command depends on that is run on what was built, by content: on
// an artifact with what it needs at run time, or in a build tree.
type Test struct {
	Sysroot []Staged // what the root is merged from, in staging order
	Root    Root
	Layout  Layout
	// State are the digests of what is staged besides, by name: an artifact's files on the host's root,
	// the trees and times of a build tree.
	State       map[string]string
	Environment map[string]string
	Command     []string
	Script      string // digest of the file of the user's that Command calls; "" without
}

// Key names the verdict. This is the one place where anything enters it.
func (t Test) Key() (string, error) {
	return hashOf(map[string]interface{}{
		"format":      TestFormat,
		"sysroot":     stagedValue(t.Sysroot),
		"root":        t.Root.value(),
		"layout":      t.Layout.value(),
		"state":       stringMap(t.State),
		"environment": stringMap(t.Environment),
		"command":     stringList(t.Command),
		"script":      t.Script,
	})
}
