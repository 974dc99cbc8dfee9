package project

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// Request says what to load.
type Request struct {
	Dir     string            // the folder that holds project.conf, or one below it
	Options map[string]string // as -o gives them
	MaxJobs int               // value of the variable max-jobs; 0 is the number of cores, at most 8
	Targets []string          // elements by name; none means the project's default targets
	// HostArch and HostOS replace the machine's own, for tests: names as uname prints them.
	HostArch, HostOS string
	// Variables replace variables of every element, whatever project and element say. Keys are not
	// BuildStream's then. For a sandbox in which the build root cannot be where the project wants it.
	Variables map[string]string
	// ConfigOnly loads project.conf and no element.
	ConfigOnly bool
	// Junction returns the folder with the sources of an element of kind junction. It is not asked for
	// those with one local source, which are read where they are. When it is nil the others are errors.
	Junction func(ctx context.Context, junction *Element) (dir string, err error)
}

// maxJobsDefault bounds the default of max-jobs, as BuildStream does: more seldom helps one build.
const maxJobsDefault = 8

// session is what the loaders of one Load share.
type session struct {
	ctx      context.Context
	req      Request
	host     host
	builtin  *Node // the defaults of project.conf
	top      *loader
	loaders  []*loader
	parsed   map[string]*Node // files that were read, by what Places call them
	included int              // includes that were followed
	elements map[*fileElement]*Element
}

// loader loads one project: that of the request, or one that a junction leads to.
type loader struct {
	*session
	project *Project
	root    root

	parent   *loader   // nil for the request's
	others   []*loader // further parents: those with a junction that was overridden by this one's
	junction *junction // nil for the request's
	by       *Node     // what named the junction

	written                       *Node // project.conf as it is written
	full                          bool  // the pass with all includes began
	elementIncludes, confIncludes *includer
	duplicates, internal          *Node   // what project.conf says of its junctions
	provenances                   []*Node // of sources of junctions, not checked yet
	refsInFile                    bool    // refs of sources are in project.refs and junction.refs
	refs, junctionRefs            *Node   // the content of project.refs and junction.refs

	defaults  map[defaultsKey]*Node // of kinds, with the project's overrides
	files     map[string]*fileElement
	links     []link
	children  map[string]*loader // by the name of the junction
	searching map[string]bool    // paths of junctions that are being looked for
}

// newLoader returns a loader of the project in a folder.
func (s *session) newLoader(dir string) (*loader, error) {
	l := &loader{
		session: s, project: &Project{Dir: dir, Options: map[string]string{}},
		elementIncludes: &includer{files: map[includeKey]*Node{}}, confIncludes: &includer{files: map[includeKey]*Node{}},
		defaults: map[defaultsKey]*Node{}, files: map[string]*fileElement{},
		children: map[string]*loader{}, searching: map[string]bool{},
	}
	var err error
	l.root, err = newRoot(dir)
	s.loaders = append(s.loaders, l)
	return l, err
}

// Load reads the project at req.Dir and the closure of its targets. It runs nothing, uses no network
// and writes nothing. What the project does wrong is a *LoadError; the first one found is returned.
func Load(ctx context.Context, req Request) (*Project, error) {
	dir, err := FindDir(req.Dir)
	if err != nil {
		return nil, err
	}
	s := &session{ctx: ctx, req: req, parsed: map[string]*Node{}, elements: map[*fileElement]*Element{}}
	if s.host, err = newHost(req.HostArch, req.HostOS); err != nil {
		return nil, err
	}
	if s.req.MaxJobs <= 0 {
		s.req.MaxJobs = min(runtime.NumCPU(), maxJobsDefault)
	}
	if s.builtin, err = defaultsFile("project.yaml"); err != nil {
		return nil, err
	}
	l, err := s.newLoader(dir)
	if err != nil {
		return nil, &LoadError{Reason: MissingProjectConf, Detail: "find project", Err: err}
	}
	s.top = l
	if err := l.loadProject(); err != nil {
		return nil, err
	}
	if req.ConfigOnly {
		return l.project, l.loadFully()
	}
	return l.project, l.loadTargets()
}

// FindDir returns the absolute path of the nearest folder, dir or above, that holds a project.conf.
// There being none is MissingProjectConf.
func FindDir(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", &LoadError{Reason: MissingProjectConf, Detail: "find project", Err: err}
	}
	for at := start; ; at = filepath.Dir(at) {
		_, err := os.Stat(filepath.Join(at, confName))
		if err == nil {
			return at, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", &LoadError{Reason: MissingProjectConf, Detail: "find project", Err: err}
		}
		if at == filepath.Dir(at) {
			return "", fail(MissingProjectConf, Place{}, "there is no %s in %s nor in a folder above it", confName, start)
		}
	}
}

// loadTargets loads the graph below the targets, puts dependencies in order and makes the elements.
func (l *loader) loadTargets() error {
	targets, err := l.targetNames()
	if err != nil {
		return err
	}
	var tops []*fileElement
	for _, name := range targets {
		top, err := l.loadTarget(name)
		if err != nil {
			return err
		}
		tops = append(tops, top)
	}
	sorted, err := postorder(tops)
	if err != nil {
		return err
	}
	orderDependencies(sorted)
	// Elements are made in the order of files, so that an element's dependencies exist before it.
	for _, f := range sorted {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		e, err := f.loader.makeElement(f)
		if err != nil {
			return err
		}
		e.id = f.id + 1
	}
	for _, top := range tops {
		l.project.Targets = append(l.project.Targets, l.elements[top])
	}
	l.project.Order = Closure(l.project.Targets)
	for _, e := range l.project.Order {
		if e.Project != l.project {
			e.Project.Order = append(e.Project.Order, e)
		}
	}
	return l.checkConflicts()
}

// targetNames returns the targets asked for, or the project's defaults, or all of its elements.
func (l *loader) targetNames() ([]string, error) {
	if len(l.req.Targets) > 0 {
		return l.req.Targets, nil
	}
	if len(l.project.Defaults) > 0 {
		return l.project.Defaults, nil
	}
	return l.allElements()
}

func (l *loader) allElements() ([]string, error) {
	files, err := elementFiles(l.elementDir())
	if err != nil {
		return nil, &LoadError{Reason: MissingFile, Detail: "list elements", Err: err}
	}
	return files, nil
}

// ElementNames returns the names of all elements of the project.
func (p *Project) ElementNames() ([]string, error) {
	return elementFiles(filepath.Join(p.Dir, filepath.FromSlash(p.ElementPath)))
}

func (l *loader) elementDir() string {
	return filepath.Join(l.root.dir, filepath.FromSlash(l.project.ElementPath))
}

func (l *loader) loadTarget(name string) (*fileElement, error) {
	if filepath.IsAbs(name) {
		return nil, fail(InvalidData, Place{}, "target %q must be relative to the element path %s", name, l.project.ElementPath)
	}
	of, name, err := l.parseName(name, nil, true)
	if err != nil {
		return nil, err
	}
	return of.loadGraph(name)
}

// Closure returns the targets and all that they need, for building or running, dependencies first,
// in the order of `bst show --deps all`.
func Closure(targets []*Element) []*Element {
	type frame struct {
		e    *Element
		deps []*Element
	}
	var order []*Element
	seen := map[*Element]bool{}
	var stack []frame
	enter := func(e *Element) {
		if seen[e] {
			return
		}
		seen[e] = true
		var deps []*Element
		for _, d := range e.Deps {
			if d.Build {
				deps = append(deps, d.Element)
			}
		}
		for _, d := range e.Deps {
			if d.Runtime {
				deps = append(deps, d.Element)
			}
		}
		stack = append(stack, frame{e, deps})
	}
	for _, t := range targets {
		for enter(t); len(stack) > 0; {
			top := &stack[len(stack)-1]
			if len(top.deps) == 0 {
				order = append(order, top.e)
				stack = stack[:len(stack)-1]
				continue
			}
			next := top.deps[0]
			top.deps = top.deps[1:]
			enter(next)
		}
	}
	return order
}

// IsFatal reports whether the project makes this warning of BuildStream an error.
func (p *Project) IsFatal(token string) bool { return slices.Contains(p.FatalWarnings, token) }
