package allowlist

import "net/netip"

// A Verdict is what a [List] says of a target, and which of its lines said so.
type Verdict struct {
	Err  error  // nil if the target may be dialed, else a [*DeniedError]
	Rule string // the line that decided, in its plainest form; empty if none did
	// At says where that line was written: "line 12" of a file, "rule 3" of the
	// values of a flag. What [Import] made has none.
	At string
	// ByAddress tells of a name that it is looked up, and that its addresses decide:
	// for each of them the list is asked again.
	ByAddress bool
}

// Judge decides as [List.Allow] does, and says which line made it so. For a name
// without an address that is the first line that could allow it.
func (l *List) Judge(host string, addr netip.Addr, port uint16) Verdict {
	var ln *line
	var err error
	if addr.IsValid() {
		ln, err = l.addr(host, addr, port)
	} else {
		ln, err = l.name(host, port)
	}
	v := Verdict{Err: err}
	if ln != nil {
		v.Rule, v.At = ln.String(), ln.at
	}
	if name, _, _ := canonical(host); name != "" && !addr.IsValid() {
		v.ByAddress = err == nil
	}
	return v
}
