package source

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// Known is what is known of the tree of an element's sources without staging them. The tree need not be
// in the store any more.
type Known struct {
	Source digest.Digest `json:"source"`            // see Staged
	HasGit bool          `json:"has_git,omitempty"` // Root differs from it by a .git
}

// knownFile is where Recall finds what Remember wrote. Resolved identities say everything that the tree
// follows from: they are what names artifacts.
func (e Env) knownFile(ids []Identity) (string, error) {
	text, err := json.Marshal(ids)
	if err != nil {
		return "", fmt.Errorf("name sources: %w", err)
	}
	sum := sha256.Sum256(append([]byte("known "+stagingVersion+"\x00"), text...))
	return filepath.Join(e.MirrorDir, "known", hex.EncodeToString(sum[:])), nil
}

// Recall returns what Remember was told of sources with these identities, which must be resolved.
func Recall(e Env, ids []Identity) (Known, bool) {
	file, err := e.knownFile(ids)
	if err != nil {
		return Known{}, false
	}
	data, err := os.ReadFile(file)
	var known Known
	if err != nil || json.Unmarshal(data, &known) != nil || known.Source.IsZero() {
		return Known{}, false
	}
	return known, true
}

// Remember keeps what is known of sources with these identities. A cache that cannot be written is no
// error: it is found out again.
func Remember(e Env, ids []Identity, known Known) error {
	file, err := e.knownFile(ids)
	if err != nil {
		return err
	}
	data, err := json.Marshal(known)
	if err != nil {
		return fmt.Errorf("remember sources: %w", err)
	}
	if os.MkdirAll(filepath.Dir(file), 0o755) == nil {
		_ = fsx.WriteFile(file, append(data, '\n'), 0o644)
	}
	return nil
}
