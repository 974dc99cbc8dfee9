package flow

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/sandbox"
)

// host is the host's system as a root: its fingerprint and the text that explains it.
type host struct {
	fingerprint string
	lines       digest.Digest
}

// tools are the programs whose content is in the fingerprint by name, wherever PATH finds them: what
// turns sources into something else. Others are covered by their package, or by their size and time.
var tools = []string{
	"ar", "as", "c++", "cargo", "cc", "clang", "clang++", "cmake", "g++", "gcc", "go", "ld", "ld.bfd", "ld.gold", "ld.lld",
	"make", "meson", "mold", "ninja", "perl", "pkg-config", "python3", "ranlib", "rustc", "sh", "strip",
}

// host returns the fingerprint of the host's system, taken once a session (rule 10).
func (s *Session) host(ctx context.Context, g *graph) (host, error) {
	s.hostMu.Lock()
	defer s.hostMu.Unlock()
	if s.hostSeen != nil {
		return *s.hostSeen, nil
	}
	dir := filepath.Join(s.config.Cache.Dir, "host")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		dir = "" // a read-only cache: what is there is read again each time
	}
	found, err := sandbox.Fingerprint(ctx, sandbox.HostOptions{
		CacheDir: dir, Extra: s.config.Build.HostPaths, Path: g.searched(), Tools: tools,
	})
	if err != nil {
		return host{}, fmt.Errorf("take the host's fingerprint: %w", err)
	}
	seen := host{fingerprint: found.Digest.String()}
	if seen.lines, err = cas.PutBytes(ctx, s.cas, []byte(strings.Join(found.Lines, "\n")+"\n")); err != nil {
		return host{}, err
	}
	s.hostSeen = &seen
	return seen, nil
}

// searched returns the folders that builds search for programs: those of every element's PATH.
func (g *graph) searched() []string {
	var folders []string
	for _, n := range g.nodes {
		if n.recipe.RunsCommands {
			folders = append(folders, filepath.SplitList(n.element.Environment["PATH"])...)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}
