package project

import "slices"

// checkCollectManifest and the functions below check the configuration of kinds of
// buildstream-plugins-community.
func checkCollectManifest(e *Element) error {
	if _, err := e.Config.StrOr("path", ""); err != nil {
		return err
	}
	if _, err := e.Config.BoolOr("use-source-provenance", true); err != nil {
		return err
	}
	format, err := e.Config.StrOr("output-type", "manifest")
	if err != nil {
		return err
	}
	if format != "manifest" && format != "spdx" {
		return fail(InvalidData, e.Config.Get("output-type").At(), "value of \"output-type\" must be manifest or spdx, not %q", format)
	}
	spdx, err := e.Config.Mapping("spdx-info")
	if err != nil {
		return err
	}
	if err := spdx.ValidateKeys("creators", "created", "data-license", "doc-namespace", "name"); err != nil {
		return err
	}
	if err := checkLists(spdx, "creators"); err != nil {
		return err
	}
	if _, err := spdx.IntOr("created", 0); err != nil {
		return err
	}
	return checkTexts(spdx, "data-license", "doc-namespace", "name")
}

func checkTexts(config *Node, keys ...string) error {
	for _, key := range keys {
		if _, err := config.StrOr(key, ""); err != nil {
			return err
		}
	}
	return nil
}

func checkCollectIntegration(e *Element) error {
	if err := e.Config.ValidateKeys("script-path", "ignore"); err != nil {
		return err
	}
	if _, err := e.Config.Str("script-path"); err != nil {
		return err
	}
	return checkLists(e.Config, "ignore")
}

func checkForbidden(e *Element) error {
	if err := e.Config.ValidateKeys("forbidden"); err != nil {
		return err
	}
	if _, err := e.Config.required("forbidden"); err != nil {
		return err
	}
	return checkLists(e.Config, "forbidden")
}

func checkFlatpakImage(e *Element) error {
	if err := e.Config.ValidateKeys("directory", "include", "exclude", "metadata", "component-ids"); err != nil {
		return err
	}
	if _, err := e.Config.Str("directory"); err != nil {
		return err
	}
	for _, key := range []string{"include", "exclude", "component-ids", "metadata"} {
		if _, err := e.Config.required(key); err != nil {
			return err
		}
	}
	if err := checkLists(e.Config, "include", "exclude", "component-ids"); err != nil {
		return err
	}
	metadata, err := e.Config.Mapping("metadata")
	if err != nil {
		return err
	}
	for i, section := range metadata.Keys() {
		if err := metadata.items[i].expect(section, Mapping); err != nil {
			return err
		}
		if err := checkTexts(metadata.items[i], metadata.items[i].Keys()...); err != nil {
			return err
		}
	}
	if !slices.Contains(metadata.Keys(), "Application") && !slices.Contains(metadata.Keys(), "Runtime") {
		return fail(InvalidData, metadata.At(), "metadata must have a section Application or Runtime")
	}
	return nil
}

func checkFlatpakRepo(e *Element) error {
	if err := e.Config.ValidateKeys("copy-refs", "repo-mode", "arch", "branch"); err != nil {
		return err
	}
	for _, key := range []string{"repo-mode", "arch", "branch"} {
		if _, err := e.Config.Str(key); err != nil {
			return err
		}
	}
	refs, err := e.Config.Sequence("copy-refs")
	if err != nil {
		return err
	}
	for _, ref := range refs.Items() {
		if err := ref.expect("copy-refs", Mapping); err != nil {
			return err
		}
		if err := ref.ValidateKeys("src", "dest"); err != nil {
			return err
		}
		for _, key := range []string{"src", "dest"} {
			if _, err := ref.Str(key); err != nil {
				return err
			}
		}
	}
	return nil
}
