package artifact

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Field numbers of buildstream.v2.Artifact.
const (
	fieldVersion       = 1
	fieldBuildSuccess  = 2
	fieldBuildError    = 3
	fieldErrorDetails  = 4
	fieldStrongKey     = 5
	fieldWeakKey       = 6
	fieldWasWorkspaced = 7
	fieldFiles         = 8
	fieldBuildDeps     = 9
	fieldPublicData    = 10
	fieldLogs          = 11
	fieldBuildTree     = 12
	fieldSources       = 13
	fieldLowMeta       = 14
	fieldHighMeta      = 15
	fieldStrictKey     = 16
	fieldBuildRoot     = 17
	fieldBuildSandbox  = 18
)

// fieldRecord is our own field in the files of a Store: the record that tells how the artifact
// was made. It is of no published message: 50000 to 99999 are left to private use by custom in
// protocol buffers, and readers that do not know a field pass over it. Encode never writes it.
const fieldRecord = 50417

// fieldSum is our own too: the SHA-256 of all before it in a file of a Store, always its last field.
// A message has no redundancy of its own: one bit decides whether it names files or passes over them.
const fieldSum = 50418

// sumPrefix is what stands between the message and the 32 bytes of its sum.
func sumPrefix() []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, fieldSum, protowire.BytesType), sha256.Size)
}

// seal returns data with its sum.
func seal(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(append(data[:len(data):len(data)], sumPrefix()...), sum[:]...)
}

// unseal returns what seal was given; anything else is cas.ErrCorrupt.
func unseal(file []byte) ([]byte, error) {
	prefix := sumPrefix()
	at := len(file) - len(prefix) - sha256.Size
	if at < 0 || !bytes.Equal(file[at:at+len(prefix)], prefix) {
		return nil, fmt.Errorf("%w: it has no sum", cas.ErrCorrupt)
	}
	if sum := sha256.Sum256(file[:at]); !bytes.Equal(sum[:], file[at+len(prefix):]) {
		return nil, fmt.Errorf("%w: it is not what its sum says", cas.ErrCorrupt)
	}
	return file[:at], nil
}

// Encode returns the serialised message: fields by ascending number, defaults left out, so equal
// artifacts have equal bytes. Text that is not UTF-8 and an entry that lacks its digest are
// ErrInvalid.
func (a Artifact) Encode() ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, fmt.Errorf("encode artifact: %w", err)
	}
	version := a.Version
	if version == 0 {
		version = Version
	}
	var b []byte
	b = appendVarint(b, fieldVersion, uint64(version))
	b = appendBool(b, fieldBuildSuccess, a.BuildSuccess)
	b = appendString(b, fieldBuildError, a.BuildError)
	b = appendString(b, fieldErrorDetails, a.BuildErrorDetails)
	b = appendString(b, fieldStrongKey, a.StrongKey)
	b = appendString(b, fieldWeakKey, a.WeakKey)
	b = appendBool(b, fieldWasWorkspaced, a.WasWorkspaced)
	b = appendDigest(b, fieldFiles, a.Files)
	for _, dep := range a.BuildDeps {
		b = appendMessage(b, fieldBuildDeps, encodeDep(dep))
	}
	b = appendDigest(b, fieldPublicData, a.PublicData)
	for _, log := range a.Logs {
		b = appendMessage(b, fieldLogs, appendDigest(appendString(nil, 1, log.Name), 2, log.Digest))
	}
	b = appendDigest(b, fieldBuildTree, a.BuildTree)
	b = appendDigest(b, fieldSources, a.Sources)
	b = appendDigest(b, fieldLowMeta, a.LowDiversityMeta)
	b = appendDigest(b, fieldHighMeta, a.HighDiversityMeta)
	b = appendString(b, fieldStrictKey, a.StrictKey)
	b = appendDigest(b, fieldBuildRoot, a.BuildRoot)
	if a.BuildSandbox != nil {
		b = appendMessage(b, fieldBuildSandbox, encodeSandbox(*a.BuildSandbox))
	}
	return b, nil
}

// Digest returns the digest of the message, by which records and tombstones name the artifact. It
// is what Store.Put returns.
func (a Artifact) Digest() (digest.Digest, error) {
	data, err := a.Encode()
	if err != nil {
		return digest.Digest{}, err
	}
	return digest.Of(data), nil
}

func (a Artifact) validate() error {
	if a.Version < 0 || a.Version > Version {
		return fmt.Errorf("%w: version %d", ErrInvalid, a.Version)
	}
	texts := []string{a.BuildError, a.BuildErrorDetails, a.StrongKey, a.StrictKey, a.WeakKey}
	for _, dep := range a.BuildDeps {
		texts = append(texts, dep.Project, dep.Element, dep.Key)
	}
	for _, log := range a.Logs {
		if log.Digest.IsZero() {
			return fmt.Errorf("%w: log %q has no content", ErrInvalid, log.Name)
		}
		texts = append(texts, log.Name)
	}
	if s := a.BuildSandbox; s != nil {
		texts = append(append(texts, s.WorkingDirectory), s.MarkedDirectories...)
		for _, v := range s.Environment {
			texts = append(texts, v.Name, v.Value)
		}
		for _, d := range s.Subsandboxes {
			if d.IsZero() {
				return fmt.Errorf("%w: a sub-sandbox has no tree", ErrInvalid)
			}
		}
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%w: text is not UTF-8: %q", ErrInvalid, text)
		}
	}
	return nil
}

func encodeDep(dep Dep) []byte {
	b := appendString(nil, 1, dep.Project)
	b = appendString(b, 2, dep.Element)
	b = appendString(b, 3, dep.Key)
	return appendBool(b, 4, dep.WasWorkspaced)
}

func encodeSandbox(s Sandbox) []byte {
	var b []byte
	for _, v := range s.Environment {
		b = appendMessage(b, 1, appendString(appendString(nil, 1, v.Name), 2, v.Value))
	}
	b = appendString(b, 2, s.WorkingDirectory)
	for _, d := range s.Subsandboxes {
		b = appendDigest(b, 3, d)
	}
	for _, dir := range s.MarkedDirectories {
		b = protowire.AppendTag(b, 4, protowire.BytesType)
		b = protowire.AppendString(b, dir)
	}
	return b
}

func appendVarint(b []byte, field protowire.Number, value uint64) []byte {
	if value == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
}

func appendBool(b []byte, field protowire.Number, value bool) []byte {
	return appendVarint(b, field, protowire.EncodeBool(value))
}

func appendString(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func appendDigest(b []byte, field protowire.Number, d digest.Digest) []byte {
	if d.IsZero() {
		return b
	}
	message := appendString(nil, 1, d.Hash())
	return appendMessage(b, field, appendVarint(message, 2, uint64(d.Size())))
}
