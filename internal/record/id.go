package record

import (
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"time"
)

// An id is the time in UTC, with microseconds, and eight random hex digits:
// "20260131T235959.123456-89abcdef".
const idTime = "20060102T150405.000000"

var idPattern = regexp.MustCompile(`\A[0-9]{8}T[0-9]{6}\.[0-9]{6}-[0-9a-f]{8}\z`)

// NewID returns an id for a build that starts now. random gives the part that keeps builds of the
// same microsecond apart; 4 bytes are read (crypto/rand.Reader).
func NewID(now time.Time, random io.Reader) (string, error) {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make record id: %w", err)
	}
	return now.UTC().Format(idTime) + "-" + hex.EncodeToString(b[:]), nil
}

// ValidID reports whether id has the form of NewID's.
func ValidID(id string) bool { return idPattern.MatchString(id) }
