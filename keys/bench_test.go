package keys_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
)

// benchElements is the size of the generated project: twice the closure of a desktop's image.
const benchElements = 2000

// bigProject writes a project of n elements in layers, each depending on up to six of the last 60, as
// real projects do, and returns its folder and its files.
func bigProject(tb testing.TB, n int) (dir string, files []string) {
	dir = tb.TempDir()
	g := &generator{Rand: rand.New(rand.NewPCG(9, 9)), t: tb, dir: dir}
	g.write("project.conf", "name: big\nmin-version: 2.0\nelement-path: elements\n"+plugins+"aliases: {up: 'https://up.example.org/'}\n(@): include/x.yml\n")
	g.write("include/x.yml", "variables: {flags: -O2 -g, opt-dir: '%{prefix}/opt'}\nenvironment: {CFLAGS: '%{flags}'}\n")
	g.write("include/e.yml", "variables: {conf-local: '--with-%{opt-dir}'}\n")
	files = []string{"project.conf", "include/x.yml", "include/e.yml"}
	for i := range n {
		text := fmt.Sprintf("kind: %s\ndescription: Element number %d of many, of a usual size\n", g.one("autotools", "meson", "cmake", "manual"), i)
		text += fmt.Sprintf("sources:\n- kind: tar\n  url: up:dist/e%d-1.0.tar.xz\n  ref: %064x\n- kind: git_repo\n  url: up:repo%d.git\n  track: main\n  ref: v1.0-%d-g%040x\n  directory: sub\n", i, i, i, i, i)
		for at, group := range []string{"build-depends", "runtime-depends"} {
			if i == 0 {
				break
			}
			text += group + ":\n"
			seen := map[int]bool{}
			for range 1 + 2*(1-at) + g.IntN(3) {
				if dep := max(0, i-1-g.IntN(60)); !seen[dep] {
					seen[dep] = true
					text += fmt.Sprintf("- e%d.bst\n", dep)
				}
			}
		}
		text += "(@): include/e.yml\npublic:\n  bst:\n    split-rules:\n      devel:\n        (>):\n        - '%{libdir}/x/**'\nconfig:\n  install-commands:\n    (>):\n    - |\n      rm -rf %{install-root}/x\n"
		g.write(fmt.Sprintf("elements/e%d.bst", i), text)
		files = append(files, fmt.Sprintf("elements/e%d.bst", i))
	}
	for i, name := range files {
		files[i] = filepath.Join(dir, name)
	}
	return dir, files
}

// BenchmarkLoadAndKeys loads the project and names all its elements. Its floor is
// BenchmarkParseOnly: reading the same files by the YAML library.
func BenchmarkLoadAndKeys(b *testing.B) {
	dir, _ := bigProject(b, benchElements)
	for b.Loop() {
		if keys, err := strictKeys(b, project.Request{Dir: dir}); err != nil || len(keys) != benchElements {
			b.Fatalf("%d keys, %v", len(keys), err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	dir, _ := bigProject(b, benchElements)
	for b.Loop() {
		if _, err := project.Load(context.Background(), project.Request{Dir: dir}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseOnly(b *testing.B) {
	_, files := bigProject(b, benchElements)
	for b.Loop() {
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				b.Fatal(err)
			}
			if err := project.ParseOnly(data); err != nil {
				b.Fatal(err)
			}
		}
	}
}
