package project

// Project is a loaded project with the elements that were asked for and all that they need.
type Project struct {
	Name          string
	Dir           string // absolute, where project.conf is
	ElementPath   string // slash-separated, below Dir
	MinVersion    string // as written
	FatalWarnings []string
	Defaults      []string   // targets when none are named
	Targets       []*Element // as asked for
	Order         []*Element // the targets' closure, dependencies first, as `bst show --deps all`; of a subproject, its own elements in there
	Options       map[string]string
	Warnings      []Warning
	Shell         Shell
	Junction      *Element // of kind junction, in the project above; nil for the project that was asked for
	Staged        bool     // Dir was made from a junction's sources: it is nobody's work tree

	junction         *junction // what Junction says
	first            *config   // without includes from other projects: what junctions are read with
	conf             *config   // nil until the project was loaded in full
	noSubprojectURLs bool
	refsInFile       bool // refs of sources are in project.refs, not in elements
}

// Path returns the names of the junctions that lead to the project, with colons between them; "" for
// the project that was asked for.
func (p *Project) Path() string {
	if p.Junction == nil {
		return ""
	}
	return p.Junction.FullName()
}

// inside names something of the project from outside.
func (p *Project) inside(name string) string {
	if path := p.Path(); path != "" {
		return path + ":" + name
	}
	return name
}

// FullName returns the element's name as it is given on the command line: that of an element in
// another project begins with the junctions that lead there.
func (e *Element) FullName() string { return e.Project.inside(e.Name) }

// Warning is what BuildStream would warn of, and what is not in its list of fatal warnings.
type Warning struct {
	Token   string // BuildStream's name of the warning
	At      Place
	Element string
	Text    string
}

// Element is one element with everything composed and expanded.
type Element struct {
	Name        string // below the element path, with .bst
	Kind        string
	Project     *Project
	At          Place
	Description string
	Variables   map[string]string
	Environment map[string]string
	NoCache     []string // names in Environment that are not part of keys
	Config      *Node    // of the kind
	Public      *Node    // with bst.split-rules always there
	Sandbox     Sandbox
	Sources     []Source
	Deps        []Dependency // direct ones, in BuildStream's order
	// Opaque says why BuildStream's keys of the element are not known here: its kind is code that this
	// program does not have. "" for all others.
	Opaque string
	// KindVersion is BST_ARTIFACT_VERSION and the like of the kind's code, where versions differ.
	KindVersion int

	id int // from 1 in the order of loading; 0 for elements that are made otherwise

	variableNames, environmentNames []string // in the order of writing
}

// Sandbox is what an element asks of its sandbox.
type Sandbox struct {
	OS, Arch string // BuildStream's names, the host's when the project says nothing
	UID, GID *int64 // inside; nil is unset
	// RemoteAPIsSocket is the path of a remote execution socket inside the sandbox; nil is none.
	RemoteAPIsSocket        *string
	ActionCacheEnableUpdate bool
}

// Dependency is an edge of the graph. An element is named at most once among another's Deps.
type Dependency struct {
	Element        *Element
	Build, Runtime bool
	Strict         bool    // a change of Element changes the weak key too
	Name           string  // as written, with the junction before a colon
	Config         []*Node // for the kind, expanded; one per place that gives one
	At             Place
}

// Source is one source of an element. Config is composed with the project's defaults for its kind
// and expanded; kind, directory and provenance are taken out.
type Source struct {
	Kind      string
	Directory string // below the source root; "" is the root
	Index     int
	Config    *Node
	At        Place
	Opaque    string // as of an Element
	KeySuffix string // what the version of the kind's code adds to keys, for kinds where versions differ
}
