package requester

import (
	"reflect"
	"testing"

	"nym-socks5/proxy/protocol"
)

// socks.md §7.3: "OpenProxy = the configuration flag … ExitPolicy = `enabled`
// always true, `upstream` = policy URL or empty string, policy always present."
func TestAnswers(t *testing.T) {
	rules := []protocol.Rule{{Action: protocol.Accept, IPPattern: "*", Start: 443, End: 443}, {Action: protocol.Reject, IPPattern: "*", Start: 1, End: 65535}}
	answer := Answers(true, "a requester", rules)
	for q, want := range map[protocol.Query]protocol.Answer{
		protocol.QueryOpenProxy:   {Kind: protocol.AnswerOpenProxy, OpenProxy: true},
		protocol.QueryDescription: {Kind: protocol.AnswerDescription, Description: "a requester"},
		protocol.QueryExitPolicy:  {Kind: protocol.AnswerExitPolicy, ExitPolicy: protocol.ExitPolicy{Enabled: true, Policy: &protocol.Policy{Rules: rules}}},
		99:                        {Kind: protocol.AnswerError, Error: "unknown query"},
	} {
		if got := answer(q); !reflect.DeepEqual(got, want) {
			t.Errorf("query %d: got %+v, want %+v", q, got, want)
		}
	}
}
