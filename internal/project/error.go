package project

import (
	"errors"
	"fmt"
	"strconv"
)

// Reason says why something was refused. The load reasons are BuildStream's LoadErrorReason names
// in lower case with dashes; the others are what BuildStream's elements and sources report.
type Reason string

// The load reasons that this loader can meet.
const (
	MissingFile                 Reason = "missing-file"
	InvalidYAML                 Reason = "invalid-yaml"
	InvalidData                 Reason = "invalid-data"
	IllegalComposite            Reason = "illegal-composite"
	CircularDependency          Reason = "circular-dependency"
	UnresolvedVariable          Reason = "unresolved-variable"
	UnsupportedProject          Reason = "unsupported-project"
	UnsupportedPlugin           Reason = "unsupported-plugin"
	ExpressionFailed            Reason = "expression-failed"
	UserAssertion               Reason = "user-assertion"
	TrailingListDirective       Reason = "trailing-list-directive"
	InvalidJunction             Reason = "invalid-junction"
	InvalidSymbolName           Reason = "invalid-symbol-name"
	MissingProjectConf          Reason = "missing-project-conf"
	LoadingDirectory            Reason = "loading-directory"
	ProjPathInvalid             Reason = "proj-path-invalid"
	ProjPathInvalidKind         Reason = "proj-path-invalid-kind"
	RecursiveInclude            Reason = "recursive-include"
	CircularReferenceVariable   Reason = "circular-reference-variable"
	ProtectedVariableRedefined  Reason = "protected-variable-redefined"
	InvalidDependencyConfig     Reason = "invalid-dependency-config"
	LinkForbiddenDependencies   Reason = "link-forbidden-dependencies"
	BadElementSuffix            Reason = "bad-element-suffix"
	BadCharactersInName         Reason = "bad-characters-in-name"
	UndefinedProvenanceAttibute Reason = "undefined-source-provenance-attribute"
	SubprojectInconsistent      Reason = "subproject-inconsistent"
	ConflictingJunction         Reason = "conflicting-junction"
	CircularReference           Reason = "circular-reference"
)

// Reasons that BuildStream reports by elements, sources and its platform instead of its loader.
const (
	ForbiddenRuntimeDepends Reason = "element-forbidden-rdepends"
	ForbiddenBuildDepends   Reason = "element-forbidden-bdepends"
	ForbiddenSources        Reason = "element-forbidden-sources"
	OverrideWithSelf        Reason = "override-junction-with-self"
	MissingAliasMapping     Reason = "missing-alias-mapping"
	StackDepends            Reason = "stack-requires-build-and-run"
	FilterDependCount       Reason = "filter-bdepend-wrong-count"
	FilterDependRuntime     Reason = "filter-bdepend-also-rdepend"
	FilterDependNoArtifact  Reason = "filter-bdepend-no-artifact"
	ImportWithoutSources    Reason = "import-without-sources"
	InvalidSourceAlias      Reason = "invalid-source-alias"
	UnaliasedURL            Reason = "unaliased-url"
	FilenameWithDirectory   Reason = "filename-contains-directory"
	MissingTrackAndRef      Reason = "missing-track-and-ref"
	InvalidRef              Reason = "invalid-ref"
	UnknownArchitecture     Reason = "unknown-architecture"
)

// Limits of this loader, which BuildStream does not have.
const (
	TooLarge    Reason = "too-large"
	Unsupported Reason = "unsupported" // a feature of BuildStream that this loader does not have
	// SubprojectNotFetched: the sources of a junction are not here, and looking fetches nothing.
	SubprojectNotFetched Reason = "subproject-not-fetched"
)

// Place is where in the project something is written. Line and Column begin at 1; the zero Place
// means "nowhere in a file" (the command line, a default).
type Place struct {
	File         string // slash-separated, relative to the project's directory
	Line, Column int
}

// String returns "file:line:column", less what is unknown.
func (p Place) String() string {
	if p.File == "" || p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// LoadError is how everything in this package fails that is the project's fault.
type LoadError struct {
	Reason  Reason
	At      Place
	Element string // name of the element, where one is concerned
	Detail  string // what is wrong and what was expected
	Err     error  // the cause, if it is another error
}

// Error returns "file:line:column: element: detail".
func (e *LoadError) Error() string {
	text := e.Detail
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Element != "" {
		text = e.Element + ": " + text
	}
	if at := e.At.String(); at != "" {
		text = at + ": " + text
	}
	return text
}

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// ReasonOf returns the reason of the LoadError in err's tree, or "".
func ReasonOf(err error) Reason {
	var load *LoadError
	if errors.As(err, &load) {
		return load.Reason
	}
	return ""
}

// placeOf returns the place of the LoadError in err's tree.
func placeOf(err error) Place {
	var load *LoadError
	if errors.As(err, &load) {
		return load.At
	}
	return Place{}
}

// fail returns a LoadError at a place.
func fail(reason Reason, at Place, format string, args ...any) *LoadError {
	return &LoadError{Reason: reason, At: at, Detail: fmt.Sprintf(format, args...)}
}

// inElement names the element in err if err does not name one yet.
func inElement(err error, name string) error {
	var load *LoadError
	if errors.As(err, &load) && load.Element == "" {
		load.Element = name
	}
	return err
}
