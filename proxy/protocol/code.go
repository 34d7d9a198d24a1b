package protocol

import "strings"

// Codes that our requesters put behind the text of a [Failure] (socks.md §21.7).
const (
	CodeDenied      = "denied"
	CodeDNS         = "dns"
	CodeRefused     = "refused"
	CodeUnreachable = "unreachable"
	CodeTimeout     = "timeout"
	CodeLimit       = "limit"
	CodeInternal    = "internal"
)

const (
	codeHead = " [code="
	codeTail = "]"
)

// AppendCode puts a code behind a text, as ` [code=NAME]`.
func AppendCode(text, code string) string { return text + codeHead + code + codeTail }

// SplitCode takes the code from the end of a text. The code is empty if there
// is none; whether it is a known one is not checked.
func SplitCode(text string) (plain, code string) {
	body, ok := strings.CutSuffix(text, codeTail)
	if !ok {
		return text, ""
	}
	i := strings.LastIndex(body, codeHead)
	if i < 0 {
		return text, ""
	}
	return body[:i], body[i+len(codeHead):]
}
