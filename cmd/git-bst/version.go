package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// release is the version that this tree becomes.
const release = "0.1.0"

func versionCommand() command {
	return command{
		name: "version", help: "print the version of git-bst",
		about:  "Prints the version, and with --json also the commit it was built from, Go's version and the platform.",
		action: printVersion,
	}
}

type versionInfo struct {
	Schema   string `json:"schema"`
	Format   int    `json:"version"`
	Release  string `json:"release"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func printVersion(a *app, cc *cli.Context) error {
	info := versionInfo{
		Schema: "git-bst.version", Format: 1,
		Release: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Commit = s.Value
			case "vcs.modified":
				info.Modified = s.Value == "true"
			}
		}
	}
	if a.flag(cc, "json") {
		return writeJSON(a.stdout, info)
	}
	_, err := fmt.Fprintf(a.stdout, "git-bst version %s\n", info.Release)
	return err
}

// writeJSON writes one value as indented JSON and a line feed.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// writeJSONLine writes one value as one line.
func writeJSONLine(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
