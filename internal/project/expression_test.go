package project

import "testing"

func TestEvaluate(t *testing.T) {
	names := map[string]any{"debug": false, "flavour": "rich", "parts": []string{"gamma", "alpha"}, "empty": ""}
	for text, want := range map[string]bool{
		"not debug":                             true,
		"debug":                                 false,
		"flavour == 'rich'":                     true,
		`flavour != "rich"`:                     false,
		"flavour in ['plain', \"rich\",]":       true,
		"'alpha' in parts and not debug":        true,
		"'beta' not in parts":                   true,
		"not 'beta' in parts":                   true,
		"not flavour == 'plain'":                true,
		"debug or flavour":                      true,
		"empty or debug":                        false,
		"debug and nothing":                     false, // the right side is not looked at
		"not debug or nothing":                  true,
		"(debug or (flavour == 'rich'))":        true,
		"'ic' in flavour":                       true,
		"parts == ['gamma', 'alpha']":           true,
		"parts == 'gamma'":                      false,
		"debug == false":                        true,
		"flavour == 'rich' == 'rich'":           true,
		"debug or debug and flavour":            false,
		"'it\\'s' == \"it's\"":                  true,
		"[]":                                    false,
		"[debug]":                               true,
		"debug in [false]":                      true,
		"flavour in ('plain', \"rich\")":        true,
		"flavour in ('plain',)":                 false,
		"('a',) == ['a']":                       false,
		"('a', 'b') == ('a', 'b',)":             true,
		"flavour=='rich'and not debug":          true,
		"True and not False and true or false ": true,
	} {
		if got, err := evaluate(text, names); err != nil || got != want {
			t.Errorf("evaluate(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestEvaluateErrors(t *testing.T) {
	names := map[string]any{"debug": false, "n": "x"}
	for _, text := range []string{
		"", "nothing", "debug and", "== 'x'", "(debug", "debug)", "['a'", "'a", "debug | upper", "n + 'x'", "n.x", "n is defined",
		"1 == 1", "debug debug", "not", "'a' if debug", "debug in debug", "debug in n", "n < 'y'", "debug %}", "['a' 'b']", "()", "n == '\\q'",
	} {
		if got, err := evaluate(text, names); err == nil {
			t.Errorf("evaluate(%q) = %v, want an error", text, got)
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	f.Add("not (debug and 'a' in ['b', n])")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = evaluate(text, map[string]any{"debug": true, "n": "x"})
	})
}
