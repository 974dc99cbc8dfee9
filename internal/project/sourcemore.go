package project

import "regexp"

// checkPatchQueue and the functions below check sources of kinds of buildstream-plugins and
// buildstream-plugins-community.
func checkPatchQueue(m *maker, s *Source) error {
	if err := s.Config.ValidateKeys(append([]string{"path"}, commonSourceKeys...)...); err != nil {
		return err
	}
	return m.path(s, DirPath)
}

// fields checks that a source has no other keys than these and the common ones, that all are texts
// but those that a kind reads otherwise, and marks its URL, if it has one.
func (m *maker) fields(s *Source, texts, others []string) error {
	if err := s.Config.ValidateKeys(append(append(append([]string{}, texts...), others...), commonSourceKeys...)...); err != nil {
		return err
	}
	if err := checkTexts(s.Config, texts...); err != nil {
		return err
	}
	if address := s.Config.Get("url"); address != nil {
		return m.markURL(address.value, address)
	}
	return nil
}

// require checks that keys are there.
func (s *Source) require(keys ...string) error {
	for _, key := range keys {
		if _, err := s.Config.required(key); err != nil {
			return err
		}
	}
	return nil
}

func checkGitModule(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "ref", "path", "version", "version-guess-pattern"}, []string{"full-clone", "use-lfs"}); err != nil {
		return err
	}
	for _, key := range []string{"full-clone", "use-lfs"} {
		if _, err := s.Config.BoolOr(key, false); err != nil {
			return err
		}
	}
	return s.require("url", "path")
}

func checkCargo2(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "cargo-lock", "vendor-dir"}, []string{"ref", "git-mirrors"}); err != nil {
		return err
	}
	if _, err := s.Config.Mapping("git-mirrors"); err != nil {
		return err
	}
	return m.crates(s)
}

func checkCargo(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "cargo-lock", "vendor-dir"}, []string{"ref"}); err != nil {
		return err
	}
	return m.crates(s)
}

func (m *maker) crates(s *Source) error {
	list, err := s.Config.Sequence("ref")
	if err != nil {
		return err
	}
	for _, crate := range list.Items() {
		if err := crate.expect("ref", Mapping); err != nil {
			return err
		}
		required := []string{"name", "version"}
		if kind, err := crate.StrOr("kind", "registry"); err != nil {
			return err
		} else if kind == "git" {
			required = append(required, "repo", "commit")
		}
		for _, key := range required {
			if _, err := crate.Str(key); err != nil {
				return err
			}
		}
		if err := checkTexts(crate, "sha"); err != nil {
			return err
		}
		if repo := crate.Get("repo"); repo != nil && len(required) > 2 {
			if err := m.markURL(repo.value, repo); err != nil {
				return err
			}
		}
	}
	return nil
}

// goRef is what a commit of a go_module may look like.
var goRef = regexp.MustCompile(`^(?:.*-\d+-g)?[0-9a-f]{40}`)

func checkGoModule(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "module"}, []string{"ref"}); err != nil {
		return err
	}
	if err := s.require("url", "module"); err != nil {
		return err
	}
	ref, err := s.Config.Mapping("ref")
	if err != nil || ref == nil {
		return err
	}
	if err := ref.ValidateKeys("go-version", "git-ref", "explicit", "subdirectory"); err != nil {
		return err
	}
	if _, err := ref.Str("go-version"); err != nil {
		return err
	}
	commit, err := ref.Str("git-ref")
	if err != nil {
		return err
	}
	if !goRef.MatchString(commit) {
		return fail(InvalidRef, ref.Get("git-ref").At(), "ref %q must be a commit of 40 hexadecimal digits", commit)
	}
	return checkTexts(ref, "subdirectory")
}

func checkPyPI(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "name", "version", "version-guess-pattern"}, []string{"ref", "prereleases", "include", "exclude"}); err != nil {
		return err
	}
	if err := checkLists(s.Config, "include", "exclude"); err != nil {
		return err
	}
	if _, err := s.Config.BoolOr("prereleases", false); err != nil {
		return err
	}
	ref, err := s.Config.Mapping("ref")
	if err != nil {
		return err
	}
	for _, key := range ref.Keys() {
		if _, err := ref.Str(key); err != nil {
			return err
		}
	}
	return s.require("name")
}

func checkCPAN(m *maker, s *Source) error {
	if err := m.fields(s, []string{"name", "suffix", "sha256sum", "index", "version", "version-guess-pattern"}, nil); err != nil {
		return err
	}
	return s.require("name")
}

func checkDocker(m *maker, s *Source) error {
	texts := []string{"architecture", "registry-url", "image", "os", "ref", "track", "url", "version"}
	if err := m.fields(s, texts, nil); err != nil {
		return err
	}
	if s.Config.Get("url") == nil {
		return s.require("image")
	}
	if other := s.Config.Get("image"); other != nil {
		return fail(InvalidData, other.At(), "a docker source has either \"url\" or \"image\"")
	}
	return nil
}

func checkOSTree(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "ref", "track", "gpg-key"}, nil); err != nil {
		return err
	}
	if s.Config.Get("ref") == nil && s.Config.Get("track") == nil {
		return fail(MissingTrackAndRef, s.At, "an ostree source must have \"ref\" or \"track\"")
	}
	return s.require("url")
}

func checkGenCargoLock(m *maker, s *Source) error { return m.fields(s, []string{"ref"}, nil) }

func checkPip(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "ref"}, []string{"packages", "requirements-files"}); err != nil {
		return err
	}
	if s.Config.Get("packages").Len()+s.Config.Get("requirements-files").Len() == 0 {
		return fail(InvalidData, s.At, "a pip source must have \"packages\" or \"requirements-files\"")
	}
	return checkLists(s.Config, "packages", "requirements-files")
}

func checkBzr(m *maker, s *Source) error {
	if err := m.fields(s, []string{"url", "track", "ref", "version"}, nil); err != nil {
		return err
	}
	return s.require("url", "track")
}
