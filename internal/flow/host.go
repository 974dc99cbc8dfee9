package flow

import (
	"context"
	"fmt"
	"path/filepath"
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

// host returns the fingerprint of the host's system, taken once a session (rule 10).
func (s *Session) host(ctx context.Context) (host, error) {
	s.hostMu.Lock()
	defer s.hostMu.Unlock()
	if s.hostSeen != nil {
		return *s.hostSeen, nil
	}
	found, err := sandbox.Fingerprint(ctx, sandbox.HostOptions{
		CacheDir: filepath.Join(s.config.Cache.Dir, "host"), Extra: s.config.Build.HostPaths,
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
