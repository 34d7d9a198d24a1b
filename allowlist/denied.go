package allowlist

// A Reason says why a host may not be dialed. It never tells which host.
type Reason uint8

// Reasons of a [DeniedError]. Zero is none of them.
const (
	ReasonNoLine  Reason = iota + 1 // no line allows it
	ReasonLine                      // a line denies it
	ReasonSpecial                   // an address in a range that no line opens (H30)
	ReasonPort                      // port 0, or a port that no line names (H31)
	ReasonName                      // nothing that the DNS could know
	ReasonNumber                    // an IPv4 address in disguise
	ReasonLocal                     // a single label, or a name that is not for the DNS
)

func (r Reason) String() string {
	switch r {
	case ReasonNoLine:
		return "no line allows it"
	case ReasonLine:
		return "a line denies it"
	case ReasonSpecial:
		return "no line opens this special range"
	case ReasonPort:
		return "no line opens this port"
	case ReasonName:
		return "malformed name"
	case ReasonNumber:
		return "number in disguise"
	case ReasonLocal:
		return "local name"
	default:
		return "unknown reason"
	}
}

// A DeniedError reports that a host may not be dialed. Its text is fit for logs:
// it has the reason and nothing of the host.
type DeniedError struct {
	Reason Reason
}

func (e *DeniedError) Error() string { return "allowlist: denied: " + e.Reason.String() }
