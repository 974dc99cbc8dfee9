package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/git-bst/git-bst/internal/cas"
)

// envelope is the form of a sealed file: one line of JSON.
type envelope struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Sum     string          `json:"sha256"`
	Body    json.RawMessage `json:"body"`
}

// Seal returns v as JSON in an envelope that says what it is ("record"), in which version, and
// the SHA-256 of the body, so that a damaged file is never believed. Equal values give equal bytes.
func Seal(format string, version int, v any) ([]byte, error) {
	body, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", format, err)
	}
	data, err := marshal(envelope{Format: format, Version: version, Sum: sum(body), Body: body})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", format, err)
	}
	return append(data, '\n'), nil
}

// Unseal reads into v what Seal wrote. Fields that v does not have are passed over. A version
// above newest is cas.ErrNewerFormat; whatever else is not right is cas.ErrCorrupt.
func Unseal(format string, newest int, data []byte, v any) error {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("read %s: %w: %w", format, cas.ErrCorrupt, err)
	}
	if e.Format != format || e.Version < 1 {
		return fmt.Errorf("read %s: %w: it says %q version %d", format, cas.ErrCorrupt, e.Format, e.Version)
	}
	if e.Version > newest {
		return fmt.Errorf("read %s: %w: version %d, this program knows %d", format, cas.ErrNewerFormat, e.Version, newest)
	}
	if sum(e.Body) != e.Sum {
		return fmt.Errorf("read %s: %w: its content is not what was written", format, cas.ErrCorrupt)
	}
	if err := json.Unmarshal(e.Body, v); err != nil {
		return fmt.Errorf("read %s: %w: %w", format, cas.ErrCorrupt, err)
	}
	return nil
}

// marshal is json.Marshal without HTML escapes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func sum(body []byte) string {
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:])
}
