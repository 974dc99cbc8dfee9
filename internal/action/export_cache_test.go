package action

// SetFault makes the steps of writing fail; see ledger.Folder.
func (c *Cache) SetFault(fault func(step, name string) error) { c.files.Fault = fault }
