package project

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// host is the machine as the project sees it.
type host struct {
	arch string // BuildStream's name: x86-64
	os   string // as uname says: Linux
}

// options are a project's options with their values.
type options struct {
	list   []*option
	values map[string]any // bool, string or []string, by name
}

// option is one option of a project.
type option struct {
	name     string
	kind     string // bool, enum, flags, arch, os, element-mask
	variable string // that it is exported as, or ""
	legal    []string
	at       Place
	value    any // bool, string or []string
}

// loadOptions reads the definitions and defaults. elements lists the element files, for masks.
func loadOptions(definitions *Node, h host, elements func() ([]string, error)) (*options, error) {
	o := &options{}
	for i, name := range definitions.Keys() {
		def := definitions.items[i]
		if def.kind != Mapping {
			return nil, fail(InvalidData, def.At(), "option %q must be a mapping", name)
		}
		if err := checkSymbol(name, "option name", def, false); err != nil {
			return nil, err
		}
		opt := &option{name: name, at: def.At()}
		if err := opt.load(def, h, elements); err != nil {
			return nil, err
		}
		o.list = append(o.list, opt)
	}
	return o, nil
}

func (opt *option) load(def *Node, h host, elements func() ([]string, error)) (err error) {
	if opt.kind, err = def.Str("type"); err != nil {
		return err
	}
	keys := map[string][]string{
		"bool": {"default"}, "enum": {"values", "default"}, "flags": {"values", "default"},
		"arch": {"values"}, "os": {"values"}, "element-mask": {"default"},
	}
	extra, ok := keys[opt.kind]
	if !ok {
		return fail(InvalidData, def.Get("type").At(), "option type %q must be one of: bool, enum, flags, element-mask, arch, os", opt.kind)
	}
	if _, err := def.Str("description"); err != nil {
		return err
	}
	if opt.variable, err = def.StrOr("variable", ""); err != nil {
		return err
	}
	if node := def.Get("variable"); node != nil {
		if err := checkSymbol(opt.variable, "variable name", node, true); err != nil {
			return err
		}
	}
	if err := def.ValidateKeys(append([]string{"type", "description", "variable"}, extra...)...); err != nil {
		return err
	}
	if opt.kind == "bool" {
		opt.value, err = def.Bool("default")
		return err
	}
	return opt.loadChoice(def, h, elements)
}

func (opt *option) loadChoice(def *Node, h host, elements func() ([]string, error)) (err error) {
	if opt.kind == "element-mask" {
		opt.legal, err = elements()
	} else {
		opt.legal, err = def.StrList("values")
	}
	if err != nil {
		return err
	}
	if len(opt.legal) == 0 {
		return fail(InvalidData, def.At(), "%s option %q has no values to choose from", opt.kind, opt.name)
	}
	switch opt.kind {
	case "enum":
		value, err := def.Str("default")
		opt.value = value
		if err != nil {
			return err
		}
		return opt.check(def.Get("default").At(), value)
	case "arch":
		opt.value, err = opt.hostArch(def, h)
		return err
	case "os":
		opt.value = h.os
		return nil
	}
	flags, err := def.StrList("default")
	if err != nil {
		return err
	}
	opt.value = flags
	return opt.check(def.Get("default").At(), flags...)
}

// hostArch returns the first legal value that means the host, else the host's canonical name.
func (opt *option) hostArch(def *Node, h host) (string, error) {
	found := h.arch
	for i := len(opt.legal) - 1; i >= 0; i-- {
		arch, err := canonicalArch(opt.legal[i])
		if err != nil {
			return "", fail(InvalidData, def.Get("values").items[i].At(), "invalid value for arch option %q: %v", opt.name, err)
		}
		if arch == h.arch {
			found = opt.legal[i]
		}
	}
	return found, nil
}

// check refuses values that are not legal.
func (opt *option) check(at Place, values ...string) error {
	for _, value := range values {
		if !slices.Contains(opt.legal, value) {
			return fail(InvalidData, at, "invalid value %q for %s option %q, expected one of: %s", value, opt.kind, opt.name, strings.Join(opt.legal, ", "))
		}
	}
	return nil
}

// set takes values from the command line. Unknown names are errors unless the project is not yet
// known in full.
func (o *options) set(values map[string]string, ignoreUnknown bool) error {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		i := slices.IndexFunc(o.list, func(opt *option) bool { return opt.name == name })
		if i < 0 {
			if ignoreUnknown {
				continue
			}
			err := fail(InvalidData, Place{}, "the project has no option %q, %s", name, o.say())
			if near := hint.Nearest(name, o.names()); near != "" {
				return hint.Addf(err, "did you mean: %s", near)
			}
			return err
		}
		if err := o.list[i].set(values[name]); err != nil {
			return err
		}
	}
	return nil
}

// setNodes takes values from the options of a junction.
func (o *options) setNodes(values *Node) error {
	for i, name := range values.Keys() {
		at := slices.IndexFunc(o.list, func(opt *option) bool { return opt.name == name })
		if at < 0 {
			return fail(InvalidData, values.items[i].At(), "the project behind the junction has no option %q, %s", name, o.say())
		}
		if err := o.list[at].setNode(values, name); err != nil {
			return err
		}
	}
	return nil
}

func (opt *option) setNode(values *Node, name string) error {
	at := values.Get(name).At()
	switch opt.kind {
	case "bool":
		value, err := values.Bool(name)
		opt.value = value
		return err
	case "flags", "element-mask":
		flags, err := values.StrList(name)
		if err != nil {
			return err
		}
		flags = slices.Clone(flags)
		slices.Sort(flags)
		opt.value = flags
		return opt.check(at, flags...)
	}
	value, err := values.Str(name)
	if err != nil {
		return err
	}
	opt.value = value
	return opt.check(at, value)
}

// say lists the options for people.
func (o *options) say() string {
	if len(o.list) == 0 {
		return "it has none"
	}
	return "it has: " + strings.Join(o.names(), ", ")
}

func (o *options) names() []string {
	names := make([]string, len(o.list))
	for i, opt := range o.list {
		names[i] = opt.name
	}
	return names
}

func (opt *option) set(text string) error {
	switch opt.kind {
	case "bool":
		switch text {
		case "True", "true":
			opt.value = true
		case "False", "false":
			opt.value = false
		default:
			return fail(InvalidData, Place{}, "invalid value %q for option %q, expected true or false", text, opt.name)
		}
		return nil
	case "flags", "element-mask":
		flags := strings.Split(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return trim(string(r)) == "" }), ""), ",")
		if err := opt.check(Place{}, flags...); err != nil {
			return err
		}
		slices.Sort(flags)
		opt.value = flags
		return nil
	}
	opt.value = text
	return opt.check(Place{}, text)
}

// settle checks values that came from the host and makes them usable in conditions.
func (o *options) settle() error {
	o.values = make(map[string]any, len(o.list))
	for _, opt := range o.list {
		if opt.kind == "arch" || opt.kind == "os" {
			if err := opt.check(opt.at, opt.value.(string)); err != nil {
				return err
			}
		}
		o.values[opt.name] = opt.value
	}
	return nil
}

// text is the value as a variable has it.
func (opt *option) text() string {
	switch v := opt.value.(type) {
	case bool:
		if v {
			return "1"
		}
		return "0"
	case []string:
		return strings.Join(v, ",")
	case string:
		return v
	}
	panic("internal error: option without a value, expected one after loading")
}

// export sets the variables of options that have one.
func (o *options) export(variables *Node) {
	for _, opt := range o.list {
		if opt.variable != "" {
			variables.override(opt.variable, opt.text())
		}
	}
}

// checkSymbol refuses names other than letters, digits, underscores and (where allowed) dashes, not
// beginning with a digit.
func checkSymbol(name, purpose string, node *Node, dashes bool) error {
	ok := name != "" && !(name[0] >= '0' && name[0] <= '9')
	for i := 0; i < len(name); i++ {
		ok = ok && (isNameByte(name[i]) || dashes && name[i] == '-')
	}
	if ok {
		return nil
	}
	allowed := "letters, digits and underscores"
	if dashes {
		allowed = "letters, digits, underscores and dashes"
	}
	return fail(InvalidSymbolName, node.At(), "invalid %s %q: only %s are allowed, and no digit first", purpose, name, allowed)
}

// elementFiles lists all element files below dir, slash-separated and sorted.
func elementFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".bst" {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(d.Name(), ".bst") {
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	return files, err
}
