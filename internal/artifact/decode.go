package artifact

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// maxMessage bounds what Decode reads, in bytes: an artifact of a thousand dependencies is below
// 200 KB, so 64 MiB refuses only what was made to fill memory.
const maxMessage = 64 << 20

// Decode reads a serialised artifact, BuildStream's or ours. Fields that it does not know are
// passed over; whatever is not well-formed (also a known field of another type, text that is not
// UTF-8, a digest that is none, a single field given twice) is ErrInvalid. A version above
// Version is cas.ErrNewerFormat.
func Decode(data []byte) (Artifact, error) {
	a, _, err := decodeFile(data)
	return a, err
}

// decodeFile is Decode for a file of a Store: it returns the record's id too ("" if none).
func decodeFile(data []byte) (a Artifact, record string, err error) {
	if len(data) > maxMessage {
		return Artifact{}, "", fmt.Errorf("decode artifact: %w: %d bytes long", ErrInvalid, len(data))
	}
	seen := map[protowire.Number]bool{}
	err = eachField(data, func(f field) error {
		if f.number != fieldBuildDeps && f.number != fieldLogs {
			if seen[f.number] && (f.number <= fieldBuildSandbox || f.number == fieldRecord) {
				return fmt.Errorf("%w: field %d is there twice", ErrInvalid, f.number)
			}
			seen[f.number] = true
		}
		if f.number == fieldRecord {
			return f.text(&record)
		}
		return a.set(f)
	})
	if err == nil && a.Version < 1 {
		err = fmt.Errorf("%w: it has no version", ErrInvalid)
	}
	if err == nil && a.Version > Version {
		err = fmt.Errorf("%w: version %d, this program knows %d", cas.ErrNewerFormat, a.Version, Version)
	}
	if err != nil {
		return Artifact{}, "", fmt.Errorf("decode artifact: %w", err)
	}
	return a, record, nil
}

// set takes over one field.
func (a *Artifact) set(f field) error {
	switch f.number {
	case fieldVersion:
		return f.int32(&a.Version)
	case fieldBuildSuccess:
		return f.bool(&a.BuildSuccess)
	case fieldBuildError:
		return f.text(&a.BuildError)
	case fieldErrorDetails:
		return f.text(&a.BuildErrorDetails)
	case fieldStrongKey:
		return f.text(&a.StrongKey)
	case fieldWeakKey:
		return f.text(&a.WeakKey)
	case fieldStrictKey:
		return f.text(&a.StrictKey)
	case fieldWasWorkspaced:
		return f.bool(&a.WasWorkspaced)
	case fieldBuildDeps:
		dep, err := decodeDep(f)
		a.BuildDeps = append(a.BuildDeps, dep)
		return err
	case fieldLogs:
		log, err := decodeLog(f)
		a.Logs = append(a.Logs, log)
		return err
	case fieldBuildSandbox:
		sandbox, err := decodeSandbox(f)
		a.BuildSandbox = &sandbox
		return err
	}
	if target := a.digestField(f.number); target != nil {
		return f.digest(target)
	}
	return nil
}

func (a *Artifact) digestField(number protowire.Number) *digest.Digest {
	switch number {
	case fieldFiles:
		return &a.Files
	case fieldPublicData:
		return &a.PublicData
	case fieldLowMeta:
		return &a.LowDiversityMeta
	case fieldHighMeta:
		return &a.HighDiversityMeta
	case fieldBuildTree:
		return &a.BuildTree
	case fieldSources:
		return &a.Sources
	case fieldBuildRoot:
		return &a.BuildRoot
	}
	return nil
}

func decodeDep(f field) (dep Dep, err error) {
	return dep, f.message(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&dep.Project)
		case 2:
			return f.text(&dep.Element)
		case 3:
			return f.text(&dep.Key)
		case 4:
			return f.bool(&dep.WasWorkspaced)
		}
		return nil
	})
}

func decodeLog(f field) (log Log, err error) {
	err = f.message(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&log.Name)
		case 2:
			return f.digest(&log.Digest)
		}
		return nil
	})
	if err == nil && log.Digest.IsZero() {
		err = fmt.Errorf("%w: log %q has no content", ErrInvalid, log.Name)
	}
	return log, err
}

func decodeSandbox(f field) (s Sandbox, err error) {
	return s, f.message(func(f field) error {
		switch f.number {
		case 1:
			v, err := decodeVariable(f)
			s.Environment = append(s.Environment, v)
			return err
		case 2:
			return f.text(&s.WorkingDirectory)
		case 3:
			var d digest.Digest
			err := f.digest(&d)
			if err == nil && d.IsZero() {
				err = fmt.Errorf("%w: a sub-sandbox has no tree", ErrInvalid)
			}
			s.Subsandboxes = append(s.Subsandboxes, d)
			return err
		case 4:
			var dir string
			err := f.text(&dir)
			s.MarkedDirectories = append(s.MarkedDirectories, dir)
			return err
		}
		return nil
	})
}

func decodeVariable(f field) (v Variable, err error) {
	return v, f.message(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&v.Name)
		case 2:
			return f.text(&v.Value)
		}
		return nil
	})
}

// field is one field of a message as it came over the wire.
type field struct {
	number protowire.Number
	kind   protowire.Type
	varint uint64
	bytes  []byte
}

// eachField calls yield for every field of data, in order.
func eachField(data []byte, yield func(field) error) error {
	for len(data) > 0 {
		f, n := consumeField(data)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrInvalid, protowire.ParseError(n))
		}
		data = data[n:]
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// consumeField reads the first field of data and returns its length; a negative one is an error.
func consumeField(data []byte) (f field, n int) {
	var tag, size int
	f.number, f.kind, tag = protowire.ConsumeTag(data)
	if tag < 0 {
		return f, tag
	}
	switch f.kind {
	case protowire.VarintType:
		f.varint, size = protowire.ConsumeVarint(data[tag:])
	case protowire.BytesType:
		f.bytes, size = protowire.ConsumeBytes(data[tag:])
	default:
		size = protowire.ConsumeFieldValue(f.number, f.kind, data[tag:])
	}
	if size < 0 {
		return f, size
	}
	return f, tag + size
}

func (f field) want(kind protowire.Type) error {
	if f.kind != kind {
		return fmt.Errorf("%w: field %d is of another type", ErrInvalid, f.number)
	}
	return nil
}

func (f field) int32(target *int32) error {
	if f.varint > math.MaxInt32 {
		return fmt.Errorf("%w: field %d is too large", ErrInvalid, f.number)
	}
	*target = int32(f.varint)
	return f.want(protowire.VarintType)
}

func (f field) bool(target *bool) error {
	*target = protowire.DecodeBool(f.varint)
	return f.want(protowire.VarintType)
}

func (f field) text(target *string) error {
	if !utf8.Valid(f.bytes) {
		return fmt.Errorf("%w: field %d is not UTF-8", ErrInvalid, f.number)
	}
	*target = string(f.bytes)
	return f.want(protowire.BytesType)
}

func (f field) message(yield func(field) error) error {
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	return eachField(f.bytes, yield)
}

// digest reads a REAPI Digest. An empty message, which BuildStream may write where there is
// nothing, leaves the zero Digest.
func (f field) digest(target *digest.Digest) error {
	var hash string
	var size uint64
	err := f.message(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&hash)
		case 2:
			size = f.varint
			return f.want(protowire.VarintType)
		}
		return nil
	})
	if err != nil || (hash == "" && size == 0) {
		return err
	}
	if size > math.MaxInt64 {
		return fmt.Errorf("%w: field %d has a negative size", ErrInvalid, f.number)
	}
	if *target, err = digest.New(hash, int64(size)); err != nil {
		return fmt.Errorf("%w: field %d: %w", ErrInvalid, f.number, err)
	}
	return nil
}
