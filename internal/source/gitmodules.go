package source

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// listedSubmodule is a submodule as the repository has it.
type listedSubmodule struct {
	name, path, url, commit string
}

// submodules lists what .gitmodules of a commit names and the commit's tree has, sorted by path.
// One that was never added to the tree is left out, with a line of talk.
func (m gitMirror) submodules(ctx context.Context, commit string) ([]listedSubmodule, error) {
	out, err := m.git(ctx, "ls-tree", "-z", commit, "--", ".gitmodules")
	if err != nil || !strings.Contains(string(out), " blob ") {
		return nil, err
	}
	out, err = m.git(ctx, "config", "--null", "--blob", commit+":.gitmodules", "--list")
	if err != nil {
		return nil, fmt.Errorf("read .gitmodules: %w", err)
	}
	var found []listedSubmodule
	for _, module := range parseModules(string(out)) {
		if err := checkSubmodulePath(module.path); err != nil {
			return nil, err
		}
		if module.commit, err = m.submoduleCommit(ctx, commit, module.path); err != nil {
			return nil, err
		}
		if module.commit == "" {
			m.env.progress(fmt.Sprintf("%s: .gitmodules names %q, which is no submodule", redact(m.url), module.path))
			continue
		}
		found = append(found, module)
	}
	slices.SortFunc(found, func(a, b listedSubmodule) int { return strings.Compare(a.path, b.path) })
	return found, nil
}

// parseModules reads the output of git config --null --list.
func parseModules(out string) []listedSubmodule {
	modules := map[string]listedSubmodule{}
	for record := range strings.SplitSeq(out, "\x00") {
		key, value, _ := strings.Cut(record, "\n")
		name, ok := strings.CutPrefix(key, "submodule.")
		dot := strings.LastIndexByte(name, '.')
		if !ok || dot < 0 {
			continue
		}
		module := modules[name[:dot]]
		module.name = name[:dot]
		switch name[dot+1:] {
		case "path":
			module.path = value
		case "url":
			module.url = value
		}
		modules[name[:dot]] = module
	}
	var list []listedSubmodule
	for _, module := range modules {
		if module.path != "" && module.url != "" {
			list = append(list, module)
		}
	}
	return list
}

func checkSubmodulePath(at string) error {
	if path.Clean("/"+at) != "/"+at || isGitName(at) {
		return fmt.Errorf(".gitmodules has the unsafe path %q", at)
	}
	return nil
}

// submoduleCommit returns the commit that the tree has at a path, "" when it has something else.
func (m gitMirror) submoduleCommit(ctx context.Context, commit, at string) (string, error) {
	out, err := m.git(ctx, "ls-tree", "-z", commit, "--", at)
	if err != nil {
		return "", fmt.Errorf("read submodule %s: %w", at, err)
	}
	fields := strings.Fields(string(out))
	if len(fields) >= 3 && fields[1] == "commit" && commitText.MatchString(fields[2]) {
		return fields[2], nil
	}
	return "", nil
}
