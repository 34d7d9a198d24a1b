package requester

import "nym-socks5/proxy/protocol"

// Answers gives the proxy.Config.Answer of a requester (socks.md §7.3): whether
// it is open to every public host, what it says of itself, and its exit policy.
func Answers(open bool, description string, policy []protocol.Rule) func(protocol.Query) protocol.Answer {
	return func(q protocol.Query) protocol.Answer {
		switch q {
		case protocol.QueryOpenProxy:
			return protocol.Answer{Kind: protocol.AnswerOpenProxy, OpenProxy: open}
		case protocol.QueryDescription:
			return protocol.Answer{Kind: protocol.AnswerDescription, Description: description}
		case protocol.QueryExitPolicy:
			return protocol.Answer{Kind: protocol.AnswerExitPolicy, ExitPolicy: protocol.ExitPolicy{
				Enabled: true,
				Policy:  &protocol.Policy{Rules: policy},
			}}
		default:
			return protocol.Answer{Kind: protocol.AnswerError, Error: "unknown query"}
		}
	}
}
