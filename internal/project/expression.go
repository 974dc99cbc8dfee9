package project

import (
	"fmt"
	"slices"
	"strings"
)

// evaluate returns whether a condition holds. The values of names are bool, string or []string.
func evaluate(text string, names map[string]any) (bool, error) {
	tokens, err := lex(text)
	if err != nil {
		return false, err
	}
	p := &exprParser{tokens: tokens, names: names}
	e, err := p.or()
	if err != nil {
		return false, err
	}
	if p.peek().kind != tokenEnd {
		return false, fmt.Errorf("unexpected %s; %s", p.peek(), expressionHelp)
	}
	return truth(e)
}

// expr is an expression to be evaluated when needed: the right side of "and" may use names that do
// not exist.
type expr func() (any, error)

type exprParser struct {
	tokens []token
	names  map[string]any
	depth  int
}

func (p *exprParser) peek() token { return p.tokens[0] }

func (p *exprParser) next() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *exprParser) or() (expr, error) {
	return p.chain("or", p.and, true)
}

func (p *exprParser) and() (expr, error) {
	return p.chain("and", p.not, false)
}

// chain parses operand {word operand}; the value is the first operand whose truth is stop, or the last.
func (p *exprParser) chain(word string, operand func() (expr, error), stop bool) (expr, error) {
	left, err := operand()
	for err == nil && p.peek().is(word) {
		p.next()
		var right expr
		if right, err = operand(); err == nil {
			first := left
			left = func() (any, error) {
				value, err := first()
				if err != nil {
					return nil, err
				}
				if isTrue(value) == stop {
					return value, nil
				}
				return right()
			}
		}
	}
	return left, err
}

func (p *exprParser) not() (expr, error) {
	if !p.peek().is("not") {
		return p.compare()
	}
	p.next()
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	inner, err := p.not()
	p.depth--
	return func() (any, error) {
		yes, err := truth(inner)
		return !yes, err
	}, err
}

// compare parses operand {operator operand}; a chain holds when every neighbouring pair does.
func (p *exprParser) compare() (expr, error) {
	first, err := p.primary()
	if err != nil {
		return nil, err
	}
	operands := []expr{first}
	var operators []string
	for {
		operator := ""
		switch t := p.peek(); {
		case t.is("=="), t.is("!="), t.is("in"):
			operator = p.next().text
		case t.is("not") && len(p.tokens) > 1 && p.tokens[1].is("in"):
			p.next()
			p.next()
			operator = "not in"
		}
		if operator == "" {
			break
		}
		operand, err := p.primary()
		if err != nil {
			return nil, err
		}
		operators = append(operators, operator)
		operands = append(operands, operand)
	}
	if len(operators) == 0 {
		return first, nil
	}
	return func() (any, error) { return compareChain(operators, operands) }, nil
}

func compareChain(operators []string, operands []expr) (any, error) {
	left, err := operands[0]()
	if err != nil {
		return nil, err
	}
	for i, operator := range operators {
		right, err := operands[i+1]()
		if err != nil {
			return nil, err
		}
		yes, err := compareValues(operator, left, right)
		if err != nil || !yes {
			return false, err
		}
		left = right
	}
	return true, nil
}

func compareValues(operator string, left, right any) (bool, error) {
	switch operator {
	case "==":
		return equalValues(left, right), nil
	case "!=":
		return !equalValues(left, right), nil
	}
	found, err := contains(right, left)
	return found != (operator == "not in"), err
}

func (p *exprParser) primary() (expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	defer func() { p.depth-- }()
	t := p.next()
	switch {
	case t.kind == tokenString:
		return func() (any, error) { return t.text, nil }, nil
	case t.is("("):
		return p.parenthesis()
	case t.is("["):
		return p.list("]", nil)
	case t.is("true"), t.is("True"), t.is("false"), t.is("False"):
		return func() (any, error) { return strings.EqualFold(t.text, "true"), nil }, nil
	case t.kind == tokenName && !slices.Contains([]string{"and", "or", "not", "in", "if", "else", "is"}, t.text):
		return func() (any, error) {
			if value, ok := p.names[t.text]; ok {
				return value, nil
			}
			return nil, fmt.Errorf("%q is not an option of this project", t.text)
		}, nil
	}
	return nil, fmt.Errorf("unexpected %s; %s", t, expressionHelp)
}

// tuple is a list in parentheses: it equals no list in brackets.
type tuple []any

// parenthesis reads what follows an open parenthesis: an expression, or the items of a tuple.
func (p *exprParser) parenthesis() (expr, error) {
	inner, err := p.or()
	if err != nil {
		return nil, err
	}
	switch t := p.next(); {
	case t.is(")"):
		return inner, nil
	case t.is(","):
		list, err := p.list(")", []expr{inner})
		if err != nil {
			return nil, err
		}
		return func() (any, error) {
			value, err := list()
			items, _ := value.([]any)
			return tuple(items), err
		}, nil
	}
	return nil, fmt.Errorf("a parenthesis is not closed; %s", expressionHelp)
}

// list reads the rest of a list up to its end; items are those that were read before.
func (p *exprParser) list(end string, items []expr) (expr, error) {
	for !p.peek().is(end) {
		item, err := p.or()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if p.peek().is(",") {
			p.next()
		} else if !p.peek().is(end) {
			return nil, fmt.Errorf("unexpected %s in a list; %s", p.peek(), expressionHelp)
		}
	}
	p.next()
	return func() (any, error) {
		list := make([]any, 0, len(items))
		for _, item := range items {
			value, err := item()
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	}, nil
}

// truth follows Python: the empty string and the empty list are false.
func truth(e expr) (bool, error) {
	value, err := e()
	return isTrue(value), err
}

func isTrue(value any) bool {
	switch v := value.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case tuple:
		return len(v) > 0
	case []string:
		return len(v) > 0
	}
	return false
}

// asList returns a list's items, whether it comes from an option or is written out.
func asList(value any) ([]any, bool) {
	switch v := value.(type) {
	case []any:
		return v, true
	case tuple:
		return v, true
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return list, true
	}
	return nil, false
}

func equalValues(a, b any) bool {
	listA, okA := asList(a)
	listB, okB := asList(b)
	_, tupleA := a.(tuple)
	_, tupleB := b.(tuple)
	if okA && okB {
		return tupleA == tupleB && slices.EqualFunc(listA, listB, equalValues)
	}
	return !okA && !okB && a == b
}

func contains(container, item any) (bool, error) {
	if list, ok := asList(container); ok {
		return slices.ContainsFunc(list, func(v any) bool { return equalValues(v, item) }), nil
	}
	text, ok := container.(string)
	part, okItem := item.(string)
	if !ok || !okItem {
		return false, fmt.Errorf("\"in\" needs a list, or two strings")
	}
	return strings.Contains(text, part), nil
}
