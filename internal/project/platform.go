package project

import "strings"

// platform reads the system and the machine that a sandbox is to have: the host's, if not set.
func (m *maker) platform(node *Node, s *Sandbox) error {
	system, err := node.StrOr("build-os", "")
	if err != nil {
		return err
	}
	if system == "" {
		system = m.l.host.os
	}
	s.OS = strings.ToLower(system)
	arch, err := node.StrOr("build-arch", "")
	if err != nil {
		return err
	}
	s.Arch = m.l.host.arch
	if arch == "" {
		return nil
	}
	if s.Arch, err = canonicalArch(arch); err != nil {
		return fail(UnknownArchitecture, node.Get("build-arch").At(), "%v", err)
	}
	return nil
}

func optionalInt(node *Node, key string) (*int64, error) {
	if node.Get(key) == nil {
		return nil, nil
	}
	i, err := node.IntOr(key, 0)
	return &i, err
}
