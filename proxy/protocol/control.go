package protocol

import (
	"encoding/json"
	"fmt"
)

// A ControlKind says what a control message is about (socks.md §5).
type ControlKind uint8

// The kinds of control message. ControlError is an answer only.
const (
	ControlHealth   ControlKind = 0
	ControlBinary   ControlKind = 1
	ControlVersions ControlKind = 2
	ControlError    ControlKind = 0xFF
)

// BinaryName is the name by which a requester of ours is told from others
// (socks.md §22).
const BinaryName = "nym-socks5-network-requester"

// A ControlAnswer answers a control request. Kind says which of the other
// fields counts.
type ControlAnswer struct {
	Kind     ControlKind
	Extra    []byte // health: what follows the kind byte, see [ParseNote]
	Binary   BinaryInfo
	Versions SupportedVersions
	Error    string
}

// BinaryInfo says what program answers and, to askers of ours alone, what else they are
// to know (socks.md §22).
type BinaryInfo struct {
	Name  string    `json:"binary_name"`
	Build BuildInfo `json:"build_information"`

	Boot      uint64   `json:"boot,omitempty"`      // drawn when the requester began; zero: not said
	Up        int64    `json:"up_ms,omitempty"`     // for how long it has run, in milliseconds
	Addresses []string `json:"addresses,omitempty"` // where it is reached, the one it sends from first; at most MaxAddresses
}

// BuildInfo says how a program was built.
type BuildInfo struct {
	BinaryName      string `json:"binary_name"`
	BuildTimestamp  string `json:"build_timestamp"`
	BuildVersion    string `json:"build_version"`
	CommitSHA       string `json:"commit_sha"`
	CommitTimestamp string `json:"commit_timestamp"`
	CommitBranch    string `json:"commit_branch"`
	RustcVersion    string `json:"rustc_version"`
	RustcChannel    string `json:"rustc_channel"`
	CargoProfile    string `json:"cargo_profile"`
	CargoTriple     string `json:"cargo_triple"`
}

// SupportedVersions says the newest versions a requester understands.
type SupportedVersions struct {
	Interface Version
	Provider  Version
}

// wireVersions has its values as strings that hold JSON themselves.
type wireVersions struct {
	Interface string `json:"interface_version"`
	Provider  string `json:"provider_version"`
}

type wireVersion struct {
	Type    string `json:"type"`
	Version uint8  `json:"version,omitempty"`
}

type wireError struct {
	Message string `json:"message"`
}

func (a ControlAnswer) appendTo(b []byte) ([]byte, error) {
	b = append(b, byte(a.Kind))
	var body any
	switch a.Kind {
	case ControlHealth:
		return append(b, a.Extra...), nil
	case ControlBinary:
		body = a.Binary
	case ControlVersions:
		body = wireVersions{versionText(a.Versions.Interface), versionText(a.Versions.Provider)}
	case ControlError:
		body = wireError{a.Error}
	default:
		return b, malformed("control answer of kind %d", a.Kind)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return b, fmt.Errorf("protocol: encode control answer: %w", err)
	}
	return append(b, text...), nil
}

func parseControlAnswer(b []byte) (ResponseBody, error) {
	if len(b) == 0 {
		return nil, malformed("control answer without kind")
	}
	a := ControlAnswer{Kind: ControlKind(b[0])}
	text := b[1:]
	var err error
	switch a.Kind {
	case ControlHealth:
		a.Extra = text
	case ControlBinary:
		a.Binary.Build.CargoTriple = "unknown"
		err = json.Unmarshal(text, &a.Binary)
	case ControlVersions:
		a.Versions, err = parseVersions(text)
	case ControlError:
		var e wireError
		err = json.Unmarshal(text, &e)
		a.Error = e.Message
	default:
		return nil, malformed("control answer of kind %d", a.Kind)
	}
	if err != nil {
		return nil, malformed("control answer of kind %d: %v", a.Kind, err)
	}
	return a, nil
}

func parseVersions(text []byte) (v SupportedVersions, err error) {
	var w wireVersions
	if err = json.Unmarshal(text, &w); err != nil {
		return v, err
	}
	if v.Interface, err = parseVersionText(w.Interface); err != nil {
		return v, err
	}
	v.Provider, err = parseVersionText(w.Provider)
	return v, err
}

// versionText writes the text form of a version (socks.md §3).
func versionText(v Version) string {
	if v.IsLegacy() {
		return `{"type":"Legacy"}`
	}
	return fmt.Sprintf(`{"type":"Versioned","version":%d}`, v)
}

func parseVersionText(s string) (Version, error) {
	var w wireVersion
	if err := json.Unmarshal([]byte(s), &w); err != nil {
		return 0, err
	}
	switch {
	case w.Type == "Legacy":
		return Legacy, nil
	case w.Type == "Versioned" && !Version(w.Version).IsLegacy():
		return Version(w.Version), nil
	}
	return 0, malformed("version of type %q", w.Type)
}
