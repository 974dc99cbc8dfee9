package keys

import (
	"encoding/json"
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
	var read preImage
	if err := json.Unmarshal(image, &read); err != nil {
		return Inputs{}, fmt.Errorf("read the inputs of a build: %w", err)
	}
	in := Inputs{Source: read.Base.Source, Root: read.Base.Root.Kind}
	for _, dep := range read.Base.Sysroot {
		in.Sysroot = append(in.Sysroot, InputDependency{dep.Name, dep.Files, dep.Location})
	}
	for _, phase := range read.Phases {
		in.Phases = append(in.Phases, InputPhase{phase.Name, len(phase.Commands)})
	}
	return in, nil
}
