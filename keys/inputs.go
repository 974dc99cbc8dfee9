package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Inputs is what a pre-image of a build key says, in short and for people.
type Inputs struct {
	Source  string            `json:"source,omitempty"` // digest of the staged tree
	Root    string            `json:"root"`             // RootSysroot or RootHost
	Sysroot []InputDependency `json:"sysroot,omitempty"`
	Phases  []InputPhase      `json:"phases,omitempty"`
}

// InputDependency is what was staged of one dependency.
type InputDependency struct {
	Name     string `json:"name"`  // PROJECT:ELEMENT
	Files    string `json:"files"` // digest
	Location string `json:"location"`
}

// InputPhase is how much a phase had to do.
type InputPhase struct {
	Name     string `json:"name"`
	Commands int    `json:"commands"`
}

// InputsOf reads a pre-image as Chain.PreImage has it.
func InputsOf(image []byte) (Inputs, error) {
	parts, err := PartsOf(image)
	if err != nil {
		return Inputs{}, err
	}
	in := Inputs{Source: parts.Source, Root: parts.Root.Kind}
	for _, dep := range parts.Sysroot {
		in.Sysroot = append(in.Sysroot, InputDependency{dep.Name, dep.Files, dep.Location})
	}
	for _, phase := range parts.Phases {
		in.Phases = append(in.Phases, InputPhase{phase.Name, len(phase.Commands)})
	}
	return in, nil
}

// ErrPreImage is returned for what is no pre-image of this version.
var ErrPreImage = errors.New("not the inputs of a build")

// PartsOf reads a pre-image as Chain.PreImage has it: the chain of what it returns has the same keys.
func PartsOf(image []byte) (Parts, error) {
	var read struct {
		Base struct {
			Format  int
			Source  string
			Sysroot []preStaged
			Reads   [][2]string
			Root    Root
			Layout  preLayout
		}
		Phases []Phase
		Result struct {
			Collect    string
			Kind       string
			KindConfig any `json:"kind-config"`
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(image))
	decoder.UseNumber()
	if err := decoder.Decode(&read); err != nil {
		return Parts{}, fmt.Errorf("%w: %w", ErrPreImage, err)
	}
	if read.Base.Format != PartsFormat {
		return Parts{}, fmt.Errorf("%w: format %d", ErrPreImage, read.Base.Format)
	}
	parts := Parts{
		Source: read.Base.Source, Root: read.Base.Root, Layout: Layout(read.Base.Layout), Phases: read.Phases,
		Collect: read.Result.Collect, Kind: read.Result.Kind, KindConfig: integers(read.Result.KindConfig),
	}
	for _, dep := range read.Base.Sysroot {
		parts.Sysroot = append(parts.Sysroot, Staged{
			Name: dep.Name, Files: dep.Files, Location: dep.Location, Integration: dep.Integration, IntegrationEnvironment: dep.Environment,
			Whitelist: dep.Whitelist,
		})
	}
	for _, pair := range read.Base.Reads {
		parts.Reads = append(parts.Reads, Read{pair[0], pair[1]})
	}
	return parts, nil
}

// integers turns the numbers in a decoded value into what Canonical writes: they are whole ones.
func integers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if n, err := value.Int64(); err == nil {
			return n
		}
	case []any:
		for i := range value {
			value[i] = integers(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = integers(value[name])
		}
	}
	return value
}

// preLayout is a Layout with the names that a pre-image has.
type preLayout struct {
	BuildRoot    string `json:"build-root"`
	InstallRoot  string `json:"install-root"`
	WorkDir      string `json:"work-dir"`
	RootWritable bool   `json:"root-writable"`
	UID, GID     int
	OS, Arch     string
	SourceTime   int64 `json:"source-time"`
}
