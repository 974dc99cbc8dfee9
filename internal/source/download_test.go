package source_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
)

// server gives one file in many ways, and remembers the requests.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // path, and the range asked for
	breaks   int      // how many answers end in the middle
	content  string
	etag     string
}

func newServer(t *testing.T, content string) *server {
	t.Helper()
	s := &server{content: content, etag: `"1"`}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.Close)
	return s
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	w.Header().Set("ETag", s.etag)
	switch r.URL.Path {
	case "/gone":
		http.Error(w, "no", http.StatusNotFound)
		return
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
		return
	case "/moved":
		http.Redirect(w, r, "/file", http.StatusFound)
		return
	}
	if r.Header.Get("If-None-Match") == s.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body, status := s.content, http.StatusOK
	var from int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil && r.Header.Get("If-Range") == s.etag {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
		body, status = body[from:], http.StatusPartialContent
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	if s.breaks > 0 {
		s.breaks--
		body = body[:len(body)/2] // the connection ends before what was announced
	}
	_, _ = w.Write([]byte(body))
}

func remoteSource(url, content string) string {
	return "kind: remote\nfilename: f\nurl: " + url + "\nref: " + sha([]byte(content))
}

func TestDownload(t *testing.T) {
	f, s := newFixture(t), newServer(t, "0123456789")
	el := f.element(remoteSource(s.URL+"/moved", s.content))
	f.wants(el, `f "0123456789"`)
	f.wants(el, `f "0123456789"`)
	if got := strings.Join(s.requests, ","); got != "/moved,/file" {
		t.Errorf("asked for %s: a file that is there is not asked for again", got)
	}
}

func TestDownloadGoesOnWhereItBroke(t *testing.T) {
	f, s := newFixture(t), newServer(t, strings.Repeat("0123456789", 1000))
	s.breaks = 2
	if _, err := f.stage(f.element(remoteSource(s.URL+"/file", s.content))); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.requests, ","); got != "/file,/file bytes=5000-,/file bytes=7500-" {
		t.Errorf("asked for %s", got)
	}
}

// TestDownloadResumesAfterKill: what another process left is used, unless the server has another
// version now.
func TestDownloadResumesAfterKill(t *testing.T) {
	for _, etag := range []string{`"1"`, `"2"`} {
		f, s := newFixture(t), newServer(t, strings.Repeat("0123456789", 1000))
		el := f.element(remoteSource(s.URL+"/file", s.content))
		s.breaks = 3
		if _, err := f.stage(el); !errors.Is(err, source.ErrDownload) {
			t.Fatalf("got %v, want ErrDownload", err)
		}
		s.requests, s.etag = nil, etag
		if _, err := f.stage(el); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.requests, ","); got != "/file bytes=8750-" {
			t.Errorf("asked for %s", got)
		}
	}
}

// TestDownloadResumedWrong: a part that does not fit is dropped, and the file fetched anew.
func TestDownloadResumedWrong(t *testing.T) {
	f, s := newFixture(t), newServer(t, "0123456789")
	el := f.element(remoteSource(s.URL+"/file", s.content))
	s.breaks = 3
	if _, err := f.stage(el); err == nil {
		t.Fatal("half a file is taken")
	}
	parts, _ := filepath.Glob(filepath.Join(f.env.MirrorDir, "downloads/*/*.part"))
	if len(parts) != 1 {
		t.Fatalf("parts: %v", parts)
	}
	if err := os.WriteFile(parts[0], []byte("xxxx"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.wants(el, `f "0123456789"`)
}

func TestDownloadErrors(t *testing.T) {
	f, s := newFixture(t), newServer(t, "0123456789")
	secret := strings.Replace(s.URL, "http://", "http://user:password@", 1)
	for name, test := range map[string]struct {
		text string
		is   error
		want string
	}{
		"wrong":    {remoteSource(secret+"/file", "other"), source.ErrMismatch, sha([]byte("0123456789"))},
		"gone":     {remoteSource(secret+"/gone?token=password", "x"), source.ErrDownload, "404"},
		"loop":     {remoteSource(secret+"/loop", "x"), source.ErrDownload, "redirects"},
		"scheme":   {remoteSource("upstream:f", "x"), source.ErrDownload, "upstream"},
		"no file":  {remoteSource("file:///nowhere/f", "x"), source.ErrDownload, "no such file"},
		"no ref":   {"kind: remote\nurl: " + secret + "/file", source.ErrNoRef, "ref"},
		"no sha":   {"kind: remote\nurl: " + secret + "/file\nref: abc", nil, "SHA-256"},
		"unknown":  {remoteSource(secret+"/file", "x") + "\nsha256: x", nil, "sha256"},
		"any host": {remoteSource("http://user:password@127.0.0.1:1/f", "x"), source.ErrDownload, "refused"},
	} {
		_, err := f.stage(f.element(test.text))
		if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %v %q", name, err, test.is, test.want)
			continue
		}
		if strings.Contains(err.Error()+strings.Join(f.talk, ""), "password") {
			t.Errorf("%s: the password is shown: %v %q", name, err, f.talk)
		}
		if test.is == source.ErrMismatch && !strings.Contains(strings.Join(hint.Lines(err), ""), "git bst source track e.bst") {
			t.Errorf("%s: hints %q", name, hint.Lines(err))
		}
		if strings.Contains(strings.Join(hint.Lines(err), ""), "kept") {
			t.Errorf("%s: nothing arrived, but hints say that it is kept: %q", name, hint.Lines(err))
		}
	}
	names, _ := filepath.Glob(filepath.Join(f.env.MirrorDir, "*/*"))
	if strings.Contains(strings.Join(names, ""), "password") {
		t.Errorf("the password is in the name of a mirror: %q", names)
	}
}

func TestDownloadHonoursCancelling(t *testing.T) {
	f, s := newFixture(t), newServer(t, "x")
	ctx, cancel := cancelled(t)
	cancel()
	if err := source.Fetch(ctx, f.env, f.element(remoteSource(s.URL+"/file", "x"))); !errors.Is(err, ctx.Err()) {
		t.Errorf("got %v", err)
	}
}

func TestTrackFile(t *testing.T) {
	f, s := newFixture(t), newServer(t, "new")
	el := f.element(remoteSource(s.URL+"/file", "old"), "kind: patch\npath: p")
	f.write("p", "", 0o644)
	refs, err := source.Track(t.Context(), f.env, el)
	if err != nil || len(refs) != 1 || refs[0].Ref != sha([]byte("new")) || refs[0].Old != sha([]byte("old")) {
		t.Fatalf("got %v %v", refs, err)
	}
	el = f.element(remoteSource(s.URL+"/file", "new"))
	s.content = "not asked for" // the tag says that nothing changed
	if refs, err = source.Track(t.Context(), f.env, el); err != nil || refs[0].Ref != refs[0].Old {
		t.Errorf("got %v %v", refs, err)
	}
	f.wants(el, `f "new"`)
}

func TestDownloadLimit(t *testing.T) {
	f, s := newFixture(t), newServer(t, "0123456789")
	f.env.Limits.DownloadBytes = 9
	for _, url := range []string{s.URL + "/file", "file://" + f.write("file", s.content, 0o644)} {
		if _, err := f.stage(f.element(remoteSource(url, s.content))); !errors.Is(err, source.ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
	}
}

// TestMirrors: a project's mirrors are asked first, the place itself last; track asks only that.
func TestMirrors(t *testing.T) {
	f, s := newFixture(t), newServer(t, "0123456789")
	f.write("project.conf", "name: p\nmin-version: 2.0\naliases:\n  up: "+s.URL+"/fi\nmirrors:\n- name: m\n  aliases:\n    up:\n    - "+
		s.URL+"/go\n    - "+s.URL+"/mirror\n", 0o644)
	f.write("e.bst", "kind: import\nsources:\n- kind: remote\n  url: up:ne\n  ref: "+sha([]byte(s.content))+"\n", 0o644)
	loaded, err := project.Load(t.Context(), project.Request{Dir: f.dir, Targets: []string{"e.bst"}, HostArch: "x86_64", HostOS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	el := loaded.Targets[0]
	f.wants(el, `fine "0123456789"`)
	if _, err := source.Track(t.Context(), f.env, el); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.requests, ","); got != "/gone,/mirrorne,/fine" {
		t.Errorf("asked for %s", got)
	}
}

// TestFetchSeveral: elements that share a source fetch it once, at the same time or not.
func TestFetchSeveral(t *testing.T) {
	f, s := newFixture(t), newServer(t, "0123456789")
	f.env.Jobs, f.env.Progress = 4, nil
	var elements []*project.Element
	for range 8 {
		elements = append(elements, f.element(remoteSource(s.URL+"/file", s.content)))
	}
	if err := source.Fetch(t.Context(), f.env, elements...); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.requests, ","); got != "/file" {
		t.Errorf("asked for %s", got)
	}
}
