package keys_test

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
)

// TestPeerMutants spoils generated projects a little and checks that BuildStream and we agree on
// refusing them, or on their keys. GIT_BST_TEST_MUTANTS says how many (10).
func TestPeerMutants(t *testing.T) {
	p := newPeer(t)
	count, first := number("GIT_BST_TEST_MUTANTS", 10), number("GIT_BST_TEST_SEED", 1)
	for seed := first; seed < first+count; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			small := uint64(seed % 40)
			if small%10 == 3 || small%10 == 7 { // those are large
				small++
			}
			g := generate(t, small, t.TempDir())
			m := &mutator{Rand: rand.New(rand.NewPCG(uint64(seed), 77)), t: t, dir: g.dir}
			for range 1 + m.IntN(2) {
				m.mutate()
			}
			out, talk, theirs := p.show(g.dir, g.options, "all.bst")
			got, ours := strictKeys(t, project.Request{Dir: g.dir, Options: g.options, Targets: []string{"all.bst"}, MaxJobs: peerJobs})
			switch {
			case strings.Contains(talk, "plugin registered for kind"):
				// We load kinds that the project does not register, with a warning.
			case (theirs == nil) != (ours == nil):
				t.Errorf("BuildStream: %v, we: %v\n%s", theirs, ours, talk)
			case theirs == nil:
				compareKeys(t, got, parseKeys(t, out))
			}
		})
	}
}

// mutator changes lines of a project's files.
type mutator struct {
	*rand.Rand
	t   testing.TB
	dir string
}

func (m *mutator) one(list ...string) string { return list[m.IntN(len(list))] }

func (m *mutator) mutate() {
	var files []string
	err := filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); ext == ".bst" || ext == ".yml" || ext == ".conf" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	path := files[m.IntN(len(files))]
	if m.IntN(4) == 0 {
		path = filepath.Join(m.dir, "project.conf")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	i := m.IntN(len(lines))
	switch m.IntN(5) {
	case 0:
		lines[i] = "# removed"
	case 1:
		lines[i] += "\n" + lines[i]
	case 2:
		j := m.IntN(len(lines))
		lines[i], lines[j] = lines[j], lines[i]
	default:
		lines[i] = m.line(lines[i])
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// line changes one line: its value, its key, its indent, or a character.
func (m *mutator) line(line string) string {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	colon := strings.Index(line, ": ")
	at := m.IntN(len(line) + 1)
	switch m.IntN(6) {
	case 0:
		if colon >= 0 {
			return line[:colon+2] + m.one("[a]", "{a: b}", "x", "''", "True", "%{nowhere}", "{(>): [q]}", "'%{prefix}'", "-1", "~")
		}
	case 1:
		if colon >= 0 {
			return line[:indent] + m.one("bogus", "kind", "config", "variables", "depends", "(?)", "(@)", "(>)", "name", "sources") + line[colon:]
		}
	case 2:
		return line[:indent] + m.one("extra: 1", "(!): stop", "(@): include/more.yml", "(?): [{debug: {x: y}}]", "(>): [z]", "- z", "kind: stack", "project-name: q", "config: {}")
	case 3:
		return " " + line
	case 4:
		if at < len(line) {
			return line[:at] + line[at+1:]
		}
	}
	return line[:at] + m.one("'", `"`, ":", "#", "&a ", "[", "{", "%", ", ", "- ", "!x ", "\t") + line[at:]
}
