package workspace_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/workspace"
)

// place makes the folders of a work tree.
func place(t *testing.T, dir string) workspace.Place {
	t.Helper()
	p := workspace.Place{Top: dir, GitDir: filepath.Join(dir, ".git")}
	if err := os.MkdirAll(p.GitDir, 0o777); err != nil {
		t.Fatal(err)
	}
	return p
}

// project makes the folders of a project that is all of a work tree.
func project(t *testing.T, dir string) workspace.Home {
	t.Helper()
	h := workspace.Home{Place: place(t, dir), Dir: dir}
	if err := os.WriteFile(filepath.Join(dir, "project.conf"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return h
}

// open opens a workspace in an existing work tree.
func open(t *testing.T, home workspace.Home, at workspace.Place, element string, opened int64) workspace.Workspace {
	t.Helper()
	w := workspace.Workspace{
		ID: workspace.NewID(), Project: "p", Element: element, Folder: ".", Origin: workspace.Attached, Opened: time.Unix(opened, 0).UTC(),
		ProjectDir: home.Dir, ProjectGit: home.GitDir, Top: at.Top, GitDir: at.GitDir,
	}
	if err := workspace.Register(t.Context(), home, w, at); err != nil {
		t.Fatal(err)
	}
	if err := workspace.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestBothSidesMustAgree(t *testing.T) {
	home, ws := project(t, filepath.Join(t.TempDir(), "p")), place(t, filepath.Join(t.TempDir(), "ws"))
	w := open(t, home, ws, "lib.bst", 1)
	find := func() (*workspace.Standing, error) { return workspace.At(t.Context(), ws, ws.Top) }
	known := func() workspace.Status {
		list, err := workspace.Of(t.Context(), home)
		if err != nil || len(list) != 1 {
			t.Fatalf("Of: %v, %v", list, err)
		}
		return list[0].Status
	}
	if at, err := find(); err != nil || at == nil || at.ProjectDir != home.Dir || at.Workspaces[0].ID != w.ID {
		t.Fatalf("At: %v, %v", at, err)
	}
	if known() != workspace.Ready {
		t.Error("the project does not know it")
	}
	for _, side := range []struct{ file, name string }{
		{filepath.Join(ws.GitDir, "bst", "workspaces.json"), "the workspace's"},
		{filepath.Join(home.GitDir, "bst", "registry.json"), "the project's"},
	} {
		data, err := os.ReadFile(side.file)
		if err != nil {
			t.Fatal(err)
		}
		other := strings.ReplaceAll(string(data), w.ID, workspace.NewID())
		if err := os.WriteFile(side.file, []byte(other), 0o666); err != nil {
			t.Fatal(err)
		}
		if at, err := find(); at != nil || !errors.Is(err, workspace.ErrNotAgreed) {
			t.Errorf("%s side has another id: At gives %v, %v", side.name, at, err)
		}
		if known() != workspace.Missing {
			t.Errorf("%s side has another id: the project believes it", side.name)
		}
		if err := os.WriteFile(side.file, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyOwnFilesAreRead(t *testing.T) {
	home, ws := project(t, filepath.Join(t.TempDir(), "p")), place(t, filepath.Join(t.TempDir(), "ws"))
	open(t, home, ws, "lib.bst", 1)
	file := filepath.Join(ws.GitDir, "bst", "workspaces.json")
	elsewhere := filepath.Join(t.TempDir(), "state")
	if err := os.Rename(file, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, file); err != nil {
		t.Fatal(err)
	}
	if at, err := workspace.At(t.Context(), ws, ws.Top); at != nil || err == nil {
		t.Errorf("a link to a state is read: %v, %v", at, err)
	}
}

// TestFoldersStayInside: a state that names folders elsewhere is not believed.
func TestFoldersStayInside(t *testing.T) {
	home, ws := project(t, filepath.Join(t.TempDir(), "p")), place(t, filepath.Join(t.TempDir(), "ws"))
	w := open(t, home, ws, "lib.bst", 1)
	file := filepath.Join(ws.GitDir, "bst", "workspaces.json")
	for _, folder := range []string{"..", "../p", "/etc", "a/../../p", ""} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bad := strings.Replace(string(data), `"folder": "."`, `"folder": `+strconv.Quote(folder), 1)
		if err := os.WriteFile(file, []byte(bad), 0o666); err != nil {
			t.Fatal(err)
		}
		list, err := workspace.In(ws)
		if err != nil || len(list) != 0 {
			t.Errorf("folder %q: %v, %v", folder, list, err)
		}
		if known, err := workspace.Of(t.Context(), home); err != nil || known[0].Status == workspace.Ready {
			t.Errorf("folder %q of %s: %v, %v", folder, w.ID, known, err)
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyAtOnce: nothing is lost when many write at once.
func TestManyAtOnce(t *testing.T) {
	const many = 20
	home, ws := project(t, filepath.Join(t.TempDir(), "p")), place(t, filepath.Join(t.TempDir(), "ws"))
	var wait sync.WaitGroup
	for i := range many {
		wait.Go(func() {
			w := open(t, home, ws, strconv.Itoa(i)+".bst", int64(i))
			if i%2 == 0 {
				if err := workspace.Forget(t.Context(), w); err != nil {
					t.Error(err)
				}
				return
			}
			if err := workspace.SoftReset(t.Context(), w); err != nil {
				t.Error(err)
			}
			if err := workspace.SoftResetInPlace(t.Context(), home, w.Element); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	list, err := workspace.Of(t.Context(), home)
	if err != nil || len(list) != many/2 {
		t.Fatalf("%d workspaces, want %d: %v", len(list), many/2, err)
	}
	for i, known := range list {
		if want := strconv.Itoa(many-1-2*i) + ".bst"; known.Element != want || known.Status != workspace.Ready || known.SoftReset == "" {
			t.Errorf("workspace %d is %s of %s, want %s; the newest is first", i, known.Status, known.Element, want)
		}
	}
	if marks, err := workspace.Marks(home); err != nil || len(marks) != many/2 {
		t.Errorf("%d marks: %v", len(marks), err)
	}
}

// TestUnmark: a soft reset that was asked for while a build ran stays for the next one.
func TestUnmark(t *testing.T) {
	home, ws := project(t, filepath.Join(t.TempDir(), "p")), place(t, filepath.Join(t.TempDir(), "ws"))
	w := open(t, home, ws, "lib.bst", 1)
	mark := func() string {
		list, err := workspace.In(ws)
		if err != nil {
			t.Fatal(err)
		}
		return list[0].SoftReset
	}
	ask := func() string {
		if err := workspace.SoftReset(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		return mark()
	}
	first := ask()
	second := ask()
	if first == second {
		t.Fatal("two soft resets are one")
	}
	for _, step := range []struct{ done, left string }{{first, second}, {second, ""}} {
		if err := workspace.Unmark(t.Context(), ws.GitDir, step.done); err != nil {
			t.Fatal(err)
		}
		if mark() != step.left {
			t.Errorf("after %s the mark is %q, want %q", step.done, mark(), step.left)
		}
	}
}

// TestRegisterWithoutFolder: who was killed between registering and making the folder finds the name free.
func TestRegisterWithoutFolder(t *testing.T) {
	home := project(t, filepath.Join(t.TempDir(), "p"))
	at := workspace.Place{Top: filepath.Join(t.TempDir(), "ws"), GitDir: filepath.Join(t.TempDir(), "ws", ".git")}
	w := workspace.Workspace{ID: workspace.NewID(), Element: "lib.bst", Folder: ".", ProjectDir: home.Dir, ProjectGit: home.GitDir}
	for range 2 {
		w.ID = workspace.NewID()
		if err := workspace.Register(context.Background(), home, w, at); err != nil {
			t.Fatal(err)
		}
	}
	list, err := workspace.Of(t.Context(), home)
	if err != nil || len(list) != 1 || list[0].Status != workspace.Missing || list[0].ID != w.ID {
		t.Errorf("%v, %v", list, err)
	}
}
