package record

// SetFault makes the steps of writing fail; see ledger.Folder.
func (s *Store) SetFault(fault func(step, name string) error) { s.files.Fault = fault }
