package protocol

import "math"

// An Answer is the answer to a query (socks.md §7.3). Kind says which of the
// other fields counts.
type Answer struct {
	Kind        AnswerKind
	OpenProxy   bool
	Description string
	ExitPolicy  ExitPolicy
	Error       string
}

// An AnswerKind is that of the query, or an error.
type AnswerKind uint8

// The kinds of answer.
const (
	AnswerOpenProxy   AnswerKind = AnswerKind(QueryOpenProxy)
	AnswerDescription AnswerKind = AnswerKind(QueryDescription)
	AnswerExitPolicy  AnswerKind = AnswerKind(QueryExitPolicy)
	AnswerError       AnswerKind = 3
)

// An ExitPolicy says which hosts and ports a requester dials.
type ExitPolicy struct {
	Enabled  bool
	Upstream string  // URL it came from; may be empty
	Policy   *Policy // may be nil
}

// A Policy is a list of rules, of which the first that matches decides.
type Policy struct{ Rules []Rule }

// A Rule is one line of a policy.
type Rule struct {
	Action     Action
	IPPattern  string // *, *4, *6 or a prefix; not checked here
	Start, End uint16 // ports; 1 to 65535 for all
}

// An Action is what a rule does.
type Action uint8

// The actions.
const (
	Accept  Action = 0
	Reject  Action = 1
	Accept6 Action = 2
	Reject6 Action = 3
)

// minRule is the number of bytes of the shortest rule.
const minRule = 4

func (a Answer) appendTo(b []byte) ([]byte, error) {
	b = appendUint(b, uint64(a.Kind))
	switch a.Kind {
	case AnswerOpenProxy:
		return append(b, flag(a.OpenProxy)), nil
	case AnswerDescription:
		return appendString(b, a.Description), nil
	case AnswerError:
		return appendString(b, a.Error), nil
	case AnswerExitPolicy:
		b = append(b, flag(a.ExitPolicy.Enabled))
		b = appendString(b, a.ExitPolicy.Upstream)
		if a.ExitPolicy.Policy == nil {
			return append(b, 0), nil
		}
		b = appendUint(append(b, 1), uint64(len(a.ExitPolicy.Policy.Rules)))
		for _, r := range a.ExitPolicy.Policy.Rules {
			b = appendString(appendUint(b, uint64(r.Action)), r.IPPattern)
			b = appendUint(appendUint(b, uint64(r.Start)), uint64(r.End))
		}
		return b, nil
	}
	return b, malformed("answer of kind %d", a.Kind)
}

func parseAnswer(b []byte) (ResponseBody, error) {
	d := decoder{b}
	kind, err := d.uint(uint64(AnswerError))
	if err != nil {
		return nil, err
	}
	a := Answer{Kind: AnswerKind(kind)}
	switch a.Kind {
	case AnswerOpenProxy:
		a.OpenProxy, err = d.bool()
	case AnswerDescription:
		a.Description, err = d.string()
	case AnswerError:
		a.Error, err = d.string()
	case AnswerExitPolicy:
		a.ExitPolicy, err = d.exitPolicy()
	}
	if err != nil {
		return nil, err
	}
	return a, d.end()
}

func (d *decoder) exitPolicy() (p ExitPolicy, err error) {
	if p.Enabled, err = d.bool(); err != nil {
		return p, err
	}
	if p.Upstream, err = d.string(); err != nil {
		return p, err
	}
	some, err := d.bool()
	if err != nil || !some {
		return p, err
	}
	n, err := d.count(minRule)
	if err != nil {
		return p, err
	}
	p.Policy = &Policy{Rules: make([]Rule, n)}
	for i := range p.Policy.Rules {
		if p.Policy.Rules[i], err = d.rule(); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (d *decoder) rule() (r Rule, err error) {
	action, err := d.uint(uint64(Reject6))
	if err != nil {
		return r, err
	}
	r.Action = Action(action)
	if r.IPPattern, err = d.string(); err != nil {
		return r, err
	}
	start, err := d.uint(math.MaxUint16)
	if err != nil {
		return r, err
	}
	end, err := d.uint(math.MaxUint16)
	r.Start, r.End = uint16(start), uint16(end)
	return r, err
}
