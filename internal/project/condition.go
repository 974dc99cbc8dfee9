package project

// resolve replaces all conditions below n by what holds, with these options. Keys in restricted may
// not be set by a condition of n itself. An assertion that is reached is an error.
func (o *options) resolve(n *Node, restricted ...string) error {
	for {
		again, err := o.resolveOnce(n, restricted)
		if err != nil {
			return err
		}
		if !again {
			break
		}
	}
	return o.resolveItems(n)
}

func (o *options) resolveItems(n *Node) error {
	for _, item := range n.items {
		var err error
		switch item.kind {
		case Mapping:
			err = o.resolve(item)
		case Sequence:
			err = o.resolveItems(item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resolveOnce replaces n's own conditions; what they add may hold conditions again.
func (o *options) resolveOnce(n *Node, restricted []string) (again bool, err error) {
	conditions, err := n.Sequence(condition)
	if err != nil {
		return false, err
	}
	if text := n.Get(assertion); text != nil {
		if err := text.expect(assertion, Scalar); err != nil {
			return false, err
		}
		return false, fail(UserAssertion, text.At(), "%s", text.value)
	}
	if conditions == nil {
		return false, nil
	}
	n.Delete(condition)
	for _, c := range conditions.items {
		if err := o.resolveCondition(n, c, restricted); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (o *options) resolveCondition(n, c *Node, restricted []string) error {
	if c.kind != Mapping || len(c.keys) != 1 {
		return fail(InvalidData, c.At(), "a condition must be a mapping with one key, the expression")
	}
	holds, err := evaluate(c.keys[0], o.values)
	if err != nil {
		return &LoadError{Reason: ExpressionFailed, At: c.At(), Detail: "evaluate condition " + c.keys[0], Err: err}
	}
	fragment := c.items[0]
	if fragment.kind != Mapping {
		return fail(IllegalComposite, c.At(), "what a condition adds must be a mapping, not a %s", fragment.kind)
	}
	for _, key := range restricted {
		if v := fragment.Get(key); v != nil {
			return fail(IllegalComposite, v.At(), "key %q cannot be set by a condition", key)
		}
	}
	if !holds {
		return nil
	}
	return n.Compose(fragment)
}
