package workspace

import (
	"context"
	"slices"
)

// learnedFile has what verifying has taught about elements. It is in the common git directory, since it
// is not about a work tree.
const learnedFile = "learned.json"

// maxLearned bounds the paths of one element: an element of which so much is missed is not to be
// continued at all, and build.never-continue says that.
const maxLearned = 1000

type learned struct {
	Version int          `json:"version"`
	Inputs  []inputPaths `json:"configure_inputs"`
}

// inputPaths are source files of an element after a change of which it is to be built clean.
type inputPaths struct {
	Project string   `json:"project"`
	Element string   `json:"element"`
	Paths   []string `json:"paths"`
}

func (l *learned) find(project, element string) *inputPaths {
	for i := range l.Inputs {
		if l.Inputs[i].Project == project && l.Inputs[i].Element == element {
			return &l.Inputs[i]
		}
	}
	return nil
}

// Learn adds source paths to those after a change of which an element is built clean. They are on disk
// after success.
func Learn(ctx context.Context, commonDir, project, element string, paths []string) error {
	l := learned{Version: version}
	return change(ctx, commonDir, learnedFile, &l, func() error {
		found := l.find(project, element)
		if found == nil {
			l.Inputs = append(l.Inputs, inputPaths{Project: project, Element: element})
			found = &l.Inputs[len(l.Inputs)-1]
		}
		found.Paths = append(found.Paths, paths...)
		slices.Sort(found.Paths)
		found.Paths = slices.Compact(found.Paths)
		found.Paths = found.Paths[:min(len(found.Paths), maxLearned)]
		return nil
	})
}

// Learned returns the source paths that Learn was told of an element, sorted.
func Learned(commonDir, project, element string) ([]string, error) {
	var l learned
	if err := read(commonDir, learnedFile, &l); err != nil {
		return nil, err
	}
	if found := l.find(project, element); found != nil {
		return found.Paths, nil
	}
	return nil, nil
}
