package wsapi

import (
	"errors"
	"fmt"
)

// A failureKind says what was wrong, as a number in binary answers and as a
// text in JSON (socks.md §17.2).
type failureKind uint8

const (
	emptyRequest      failureKind = 0x01
	shortRequest      failureKind = 0x02
	unknownRequest    failureKind = 0x03
	malformedRequest  failureKind = 0x04
	emptyResponse     failureKind = 0x80
	shortResponse     failureKind = 0x81
	unknownResponse   failureKind = 0x82
	malformedResponse failureKind = 0x83
	otherFailure      failureKind = 0xFF
)

// String gives the text that JSON carries.
func (k failureKind) String() string {
	switch k {
	case emptyRequest:
		return "received request contained no data"
	case shortRequest:
		return "received request did not contain enough data"
	case unknownRequest:
		return "unknown request type"
	case malformedRequest:
		return "malformed request"
	case emptyResponse:
		return "received response contained no data"
	case shortResponse:
		return "received response did not contain enough data"
	case unknownResponse:
		return "unknown response type"
	case malformedResponse:
		return "malformed response"
	}
	return "other"
}

// A failure is an error as a program is told it.
type failure struct {
	kind   failureKind
	detail string
}

// Error gives the message of a JSON answer.
func (f *failure) Error() string { return f.kind.String() + ":" + f.detail }

func malformed(format string, args ...any) error {
	return &failure{malformedRequest, fmt.Sprintf(format, args...)}
}

// asFailure gives an error the form in which a program is told it.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{otherFailure, err.Error()}
}
