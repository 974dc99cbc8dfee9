package gitint

import "testing"

func TestBackendChoice(t *testing.T) {
	plain := facts{format: "sha1"}
	if got := plain.backend(); got != backendGoGit {
		t.Errorf("plain repository: %s", got)
	}
	for name, f := range map[string]facts{
		"sha256":         {format: "sha256"},
		"extension":      {format: "sha1", extensions: []string{"worktreeconfig"}},
		"reftable":       {format: "sha1", extensions: []string{"refstorage"}},
		"partial clone":  {format: "sha1", promisor: true},
		"alternates":     {format: "sha1", alternates: true},
		"replace refs":   {format: "sha1", replaced: true},
		"grafts":         {format: "sha1", grafts: true},
		"shallow":        {format: "sha1", shallow: true},
		"multi-pack":     {format: "sha1", midx: true},
		"huge packs":     {format: "sha1", idxBytes: maxIdxBytes + 1},
		"unknown format": {},
	} {
		if got := f.backend(); got != backendGit {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestConfig(t *testing.T) {
	c := parseConfig([]byte("file:f\x00core.bare\nfalse\x00file:f\x00extensions.worktreeconfig\ntrue\x00file:f\x00remote.o.promisor\ntrue\x00file:f\x00filter.a.b.clean\nx\x00file:f\x00filter.lfs.clean\ny\x00file:f\x00bool.key\x00file:f\x00core.bare\ntrue\x00"))
	if c.values["core.bare"] != "true" || c.values["bool.key"] != "true" || !c.promisor() || !c.usesLFS() {
		t.Errorf("%+v", c)
	}
	if got := c.extensions(); len(got) != 1 || got[0] != "worktreeconfig" {
		t.Errorf("extensions %q", got)
	}
	if got := c.filters(); len(got) != 1 || got[0] != "a.b" {
		t.Errorf("filters %q", got)
	}
}
