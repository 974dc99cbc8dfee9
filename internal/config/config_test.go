package config_test

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/hint"
)

// place makes a home and a work tree with these files' content; "" for no file.
func place(t *testing.T, user, repository string) config.Source {
	t.Helper()
	home, top := t.TempDir(), t.TempDir()
	write(t, filepath.Join(home, ".config/git-bst/config.toml"), user)
	write(t, filepath.Join(top, config.RepositoryFile), repository)
	return config.Source{Environ: []string{"HOME=" + home}, TopLevel: top}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if content == "" {
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, from config.Source) config.Config {
	t.Helper()
	c, err := config.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLaterLayerWins(t *testing.T) {
	layers := []struct {
		layer config.Layer
		add   func(*config.Source)
	}{
		{config.Default, func(*config.Source) {}},
		{config.User, func(s *config.Source) {
			write(t, filepath.Join(s.Environ[0][len("HOME="):], ".config/git-bst/config.toml"), "[log]\nlines = 1\n")
		}},
		{config.Repository, func(s *config.Source) {
			write(t, filepath.Join(s.TopLevel, config.RepositoryFile), "log.lines = 2\n")
		}},
		{config.Git, func(s *config.Source) {
			s.Git = []config.GitEntry{{Key: "bst.log.lines", Value: "9", Origin: "file:a"}, {Key: "bst.log.lines", Value: "3", Origin: "file:b"}}
		}},
		{config.Environment, func(s *config.Source) { s.Environ = append(s.Environ, "GIT_BST_LOG_LINES=4") }},
		{config.Flag, func(s *config.Source) {
			s.Flags = []config.Override{{Key: "log.lines", Values: []string{"5"}, Flag: "--lines"}}
		}},
	}
	from := place(t, "", "")
	for i, l := range layers {
		l.add(&from)
		c := load(t, from)
		want := i
		if l.layer == config.Default {
			want = 30
		}
		v, err := c.Value("log.lines")
		if err != nil || c.Log.Lines != want || v.Origin.Layer != l.layer {
			t.Errorf("with %v: lines = %d from %v (%v), want %d", l.layer, c.Log.Lines, v.Origin, err, want)
		}
	}
}

func TestEveryForm(t *testing.T) {
	c := load(t, place(t, `
[cache]
dir = "~/builds"
budget = "2.5G"
keep-buildtrees = "never"
[build]
builders = 3
max-jobs = "auto"
continue = "never"
sandbox = "none"
timeout = "1h30m"
host-paths = ["/opt/a", "/opt/b c"]
[fetch]
max-size = "none"
`, `
project.path = "sub/dir/"
[project.options]
debug = true
level = 3
flavour = "x y"
`))
	if !strings.HasSuffix(c.Cache.Dir, "/builds") || !filepath.IsAbs(c.Cache.Dir) {
		t.Errorf("cache.dir = %q", c.Cache.Dir)
	}
	if got := c.Cache.Budget.Of(1); got != 2684354560 {
		t.Errorf("cache.budget = %d", got)
	}
	want := config.Build{Builders: 3, Sandbox: "none", Root: "sysroot", Continue: "never", Timeout: 90 * time.Minute, HostPaths: []string{"/opt/a", "/opt/b c"}}
	if !reflect.DeepEqual(c.Build, want) {
		t.Errorf("build = %+v, want %+v", c.Build, want)
	}
	if want := (config.Project{Path: "sub/dir", Options: map[string]string{"debug": "True", "level": "3", "flavour": "x y"}}); !reflect.DeepEqual(c.Project, want) {
		t.Errorf("project = %+v, want %+v", c.Project, want)
	}
	if c.Fetch.MaxSize != 0 || c.Fetch.Jobs != 4 || c.CheckTrust() != nil {
		t.Errorf("fetch = %+v, trust %v", c.Fetch, c.CheckTrust())
	}
}

func TestWrongSettings(t *testing.T) {
	for _, test := range []struct {
		name, user, repository, env string
		err, hint                   string
	}{
		{name: "unknown key", user: "[build]\n\n  buildrs = 4\n", err: "config.toml:3:13: unknown setting \"build.buildrs\"", hint: "did you mean: build.builders"},
		{name: "unknown section", user: "[bild]\nx = 1\n", err: "config.toml:1:", hint: "there are: build.builders, "},
		{name: "syntax", user: "[build]\nbuilders = \n", err: "config.toml:2:"},
		{name: "twice", user: "[log]\nlines = 1\nlines = 2\n", err: "config.toml:3:"},
		{name: "list for text", user: "[build]\nroot = [\"host\"]\n", err: "config.toml:2:8: build.root: must be one of sysroot, host, as text"},
		{name: "number of text", user: "[log]\nlines = \"many\"\n", err: "\"many\" is not a number from 1"},
		{name: "zero", user: "log.lines = 0\n", err: "config.toml:1:13: log.lines: \"0\" is not a number"},
		{name: "no choice", user: "ui.color = \"blue\"\n", err: "not one of auto, always, never"},
		{name: "duration", user: "build.timeout = \"5\"\n", err: "neither a duration"},
		{name: "size", user: "cache.budget = \"big\"\n", err: "not a size"},
		{name: "percentage", user: "cache.budget = \"101%\"\n", err: "not a percentage"},
		{name: "relative folder", user: "cache.dir = \"here\"\n", err: "not an absolute path"},
		{name: "relative host path", user: "build.host-paths = [\"here\"]\n", err: "not an absolute path"},
		{name: "project outside", repository: "project.path = \"../x\"\n", err: ".git-bst.toml:1:16: project.path: \"../x\" leaves the work tree"},
		{name: "repository without sandbox", repository: "build.sandbox = \"none\"\n", err: "may not switch it off", hint: "git config bst.build.sandbox none"},
		{name: "asked for and wrong", repository: "cache.dir = \"x\"\n", err: ".git-bst.toml:1:13: cache.dir"},
		{name: "unknown variable", env: "GIT_BST_LOG_LINE=3", err: "GIT_BST_LOG_LINE: no setting", hint: "did you mean: GIT_BST_LOG_LINES"},
		{name: "wrong variable", env: "GIT_BST_LOG_LINES=x", err: "GIT_BST_LOG_LINES: log.lines: \"x\""},
		{name: "wrong table", env: "GIT_BST_PROJECT_OPTIONS=x", err: "\"x\" is not NAME=VALUE"},
	} {
		from := place(t, test.user, test.repository)
		if test.env != "" {
			from.Environ = append(from.Environ, test.env)
		}
		_, err := config.Load(from)
		if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v; want %q", test.name, err, test.err)
			continue
		}
		if lines := strings.Join(hint.Lines(err), "\n"); !strings.Contains(lines, test.hint) {
			t.Errorf("%s: hints %q; want %q", test.name, lines, test.hint)
		}
	}
}

func TestRepositoryNeedsConsent(t *testing.T) {
	from := place(t, "", "cache.dir = \"/elsewhere\"\n[build]\nroot = \"host\"\nhost-paths = [\"/opt/sdk\"]\n")
	c := load(t, from)
	if err := c.CheckTrust(); !errors.Is(err, config.ErrNeedsTrust) || !slices.Contains(hint.Lines(err), "to agree: git bst trust") {
		t.Fatalf("CheckTrust = %v", err)
	}
	if c.Build.HostPaths != nil || c.Cache.Dir == "/elsewhere" || c.Build.Root != "host" {
		t.Errorf("not agreed to, but in force: %+v %+v", c.Build, c.Cache)
	}
	want := []string{"build.host-paths = /opt/sdk", "cache.dir = /elsewhere"}
	if got := c.Request().Lines; !slices.Equal(got, want) {
		t.Errorf("request = %q, want %q", got, want)
	}

	given := config.Consents{}.With(c.Request(), config.Seal{}, time.Unix(0, 0))
	from.Consented = given.Include
	c = load(t, from)
	if c.CheckTrust() != nil || !slices.Equal(c.Build.HostPaths, []string{"/opt/sdk"}) || c.Cache.Dir != "/elsewhere" {
		t.Errorf("agreed to, but not in force: %+v %+v, %v", c.Build, c.Cache, c.CheckTrust())
	}

	write(t, filepath.Join(from.TopLevel, config.RepositoryFile), "build.host-paths = [\"/opt/sdk\", \"/etc/shadow\"]\n")
	if c = load(t, from); c.CheckTrust() == nil || c.Build.HostPaths != nil {
		t.Error("consent to one request was taken for another")
	}
}

func TestSymbolicLinkIsNoRepositoryFile(t *testing.T) {
	from := place(t, "", "")
	if err := os.Symlink("/etc/hostname", filepath.Join(from.TopLevel, config.RepositoryFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(from); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("Load = %v", err)
	}
}

func TestConsentsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trust.json")
	empty, err := config.ReadConsents(file)
	if err != nil || len(empty.Given) != 0 {
		t.Fatalf("ReadConsents without a file = %v, %v", empty, err)
	}
	request := config.Request{Lines: []string{"a = b"}}
	key := filepath.Join(t.TempDir(), "new", "consent-key")
	if _, err := config.ReadSeal(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadSeal without a file = %v", err)
	}
	seal, err := config.MakeSeal(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := config.MakeSeal(key, rand.Reader); err != nil || !reflect.DeepEqual(again, seal) {
		t.Errorf("MakeSeal again = %v, %v", again, err)
	}
	given := empty.With(request, seal, time.Unix(1, 0)).With(request, seal, time.Unix(2, 0))
	data, err := given.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(data))
	read, err := config.ReadConsents(file)
	if err != nil || !reflect.DeepEqual(read.Given, given.Given) || len(read.Given) != 1 || !read.Include(request) {
		t.Errorf("read %+v, %v; want %+v", read, err, given)
	}
	if own := read.Own(seal); len(own.Given) != 1 {
		t.Errorf("its own consent does not count: %+v", own)
	}
	other, err := config.MakeSeal(key+"-other", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	changed := read
	changed.Given = slices.Clone(read.Given)
	changed.Given[0].Request = []string{"a = c"}
	for what, own := range map[string]config.Consents{"of another": read.Own(other), "of nobody": read.Own(config.Seal{}), "changed": changed.Own(seal)} {
		if len(own.Given) != 0 {
			t.Errorf("a consent %s counts: %+v", what, own)
		}
	}
	write(t, file, `{"version": 2}`)
	if _, err := config.ReadConsents(file); err == nil {
		t.Error("a newer version was read")
	}
	write(t, file, `{"version": 1, "given": [`)
	if _, err := config.ReadConsents(file); err == nil || len(hint.Lines(err)) == 0 {
		t.Errorf("half a file: %v", err)
	}
}

func TestSettingsAreSortedAndDocumented(t *testing.T) {
	if !slices.IsSorted(config.Keys()) {
		t.Error("the table is not sorted")
	}
	for _, s := range config.Settings() {
		if !strings.HasSuffix(s.Doc, ".") || (s.Form == config.Choice) != (len(s.Choices) > 0) {
			t.Errorf("%s: %+v", s.Key, s)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "512": 512, "10K": 10240, "1.5G": 1610612736, "2TiB": 2 << 40, "3mb": 3 << 20,
		"": 0, "0": 0, "-1": 0, "1e3": 0, "NaN": 0, "Inf": 0, "9999999T": 0, "G": 0, "1KK": 0, "0x10": 0, "1_0": 0,
	} {
		if got, err := config.ParseSize(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func FuzzRepositoryFile(f *testing.F) {
	f.Add("[build]\nroot = \"host\"\n")
	f.Add("project.options = {a = 1}\n")
	f.Add("build = 3")
	f.Fuzz(func(t *testing.T, content string) {
		from := place(t, "", content)
		c, err := config.Load(from)
		if err != nil && !errors.Is(err, config.ErrInvalid) {
			t.Fatalf("%q: %v", content, err)
		}
		if c.Build.HostPaths != nil || c.Build.Sandbox == "none" {
			t.Fatalf("%q weakens the sandbox", content)
		}
	})
}

// What can only make builds clean adds up, so that a repository can't take a user's patterns away;
// what lets builds continue needs consent there.
func TestPatternsOfContinuedBuilds(t *testing.T) {
	c := load(t, place(t, `
[build]
configure-inputs = ["*.cmake", "docs/a b"]
never-continue = ["base/*"]
`, `
[build]
configure-inputs = ["VERSION"]
never-continue = ["lib.bst"]
`))
	if want := []string{"*.cmake", "docs/a b", "VERSION"}; !reflect.DeepEqual(c.Build.ConfigureInputs, want) {
		t.Errorf("configure-inputs = %q, want %q", c.Build.ConfigureInputs, want)
	}
	if want := []string{"base/*", "lib.bst"}; !reflect.DeepEqual(c.Build.NeverContinue, want) {
		t.Errorf("never-continue = %q, want %q", c.Build.NeverContinue, want)
	}
	if v, err := c.Value("build.configure-inputs"); err != nil || v.Text != "*.cmake docs/a b VERSION" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, line := range []string{`come-and-go = ["*.md"]`, `ignore-listing = "yes"`} {
		c := load(t, place(t, "", "[build]\n"+line+"\n"))
		if c.CheckTrust() == nil || c.Build.ComeAndGo != nil || c.Build.IgnoreListing {
			t.Errorf("%s needs no consent: %+v", line, c.Build)
		}
		if c := load(t, place(t, "[build]\n"+line+"\n", "")); c.CheckTrust() != nil || len(c.Build.ComeAndGo) == 0 && !c.Build.IgnoreListing {
			t.Errorf("%s of the user does not hold: %+v", line, c.Build)
		}
	}
	if _, err := config.Load(place(t, "[build]\ncome-and-go = [\"[a\"]\n", "")); err == nil || !strings.Contains(err.Error(), "is not a pattern") {
		t.Errorf("a pattern that is none: %v", err)
	}
}
