package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
)

func logPath(id string) string { return "log/" + id[:6] + "/" + id + ".json" }

// entries returns the names of the record's entries in the index; none for the zero Record.
func (r Record) entries() []string {
	if r.ID == "" {
		return nil
	}
	entries := []string{elementFolder(r.Project, r.Element) + "/" + r.ID}
	if r.BuildKey != "" {
		entries = append(entries, keyFolder(r.BuildKey)+"/"+r.ID)
	}
	return entries
}

func keyFolder(key string) string { return "keys/" + shard(key) }

func elementFolder(project, element string) string {
	hash := sha256.Sum256([]byte(project + "\n" + element))
	return "elements/" + shard(hex.EncodeToString(hash[:]))
}

// shard returns "kk/key"; for what is no key a name that no folder has.
func shard(key string) string {
	if !keyPattern.MatchString(key) {
		return "none"
	}
	return key[:2] + "/" + key
}

// folders returns where the ids are that the filter may admit, the newest folder first.
func (s *Store) folders(f Filter) ([]string, error) {
	if f.BuildKey != "" {
		return []string{keyFolder(f.BuildKey)}, nil
	}
	if f.Project != "" && f.Element != "" {
		return []string{elementFolder(f.Project, f.Element)}, nil
	}
	months, err := s.files.Names("log")
	slices.Reverse(months)
	for i := range months {
		months[i] = "log/" + months[i]
	}
	return months, err
}

// Reindex makes every record findable by its key and element again, and removes what is in the
// index without a record. Only fsck, and who lost the index, needs it.
func (s *Store) Reindex(ctx context.Context) error {
	records, err := s.List(ctx, Filter{}, nil)
	if err != nil {
		return err
	}
	for _, r := range records {
		for _, entry := range r.entries() {
			if !s.files.Used(entry).IsZero() {
				continue
			}
			if err := s.files.Write(entry, nil); err != nil {
				return fmt.Errorf("index record %s: %w", r.ID, err)
			}
		}
	}
	for _, index := range []string{"keys", "elements"} {
		err := s.files.Each(ctx, index, func(name string) error {
			if s.checkEntry(name) == nil {
				return nil
			}
			return s.files.Remove(name)
		})
		if err != nil {
			return fmt.Errorf("clean the index of records: %w", err)
		}
	}
	return nil
}

// checkEntry looks whether the entry of the index called name has a record.
func (s *Store) checkEntry(name string) error {
	id, key := path.Base(name), path.Base(path.Dir(name))
	if !ValidID(id) || (keyFolder(key)+"/"+id != name && "elements/"+shard(key)+"/"+id != name) {
		return fmt.Errorf("%w: no entry of the index has such a name", ErrInvalid)
	}
	if s.files.Used(logPath(id)).IsZero() {
		return fmt.Errorf("%w: record %s is gone", ErrNotIndexed, id)
	}
	return nil
}
