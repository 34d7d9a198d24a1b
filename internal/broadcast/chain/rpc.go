package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"
)

// A rpcReply is an answer to a call of JSON-RPC.
type rpcReply struct {
	body   []byte // all of it, as it came
	result json.RawMessage
	err    *rpcError // nil: there is none
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Codes of errors that are not about a transaction (JSON-RPC 2.0 §5.1).
const (
	rpcInternal = -32603
	rpcParams   = -32602
	rpcNoMethod = -32601
	rpcNoCall   = -32600
)

// call makes one call. Version is that of JSON-RPC. Errors that are not the
// node's word on what it was asked are errors here.
func (n *Node) call(ctx context.Context, version, method string, params ...any) (r rpcReply, err error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": version, "id": 1, "method": method, "params": params})
	if err != nil {
		return r, fail(Strange, err)
	}
	got, err := n.post(ctx, "", "application/json", body, nil)
	if err != nil {
		return r, err
	}
	var m struct {
		ID     json.RawMessage `json:"id"`
		Result json.RawMessage `json:"result"`
		Error  *rpcError       `json:"error"`
	}
	switch {
	case !utf8.Valid(got.body) || json.Unmarshal(got.body, &m) != nil:
		return r, fail(statusClass(got.status), errors.New("no JSON-RPC"))
	case string(m.ID) != "1":
		return r, fail(Strange, errors.New("an answer to another call"))
	case m.Error == nil && len(m.Result) == 0:
		return r, fail(Strange, errors.New("neither a result nor an error"))
	case m.Error == nil && got.status != http.StatusOK:
		return r, fail(Strange, fmt.Errorf("a result with status %d", got.status))
	case m.Error != nil && (m.Error.Code == rpcInternal || m.Error.Code == rpcNoMethod || m.Error.Code == rpcNoCall):
		return r, fail(Busy, fmt.Errorf("error %d", m.Error.Code))
	}
	return rpcReply{body: got.body, result: bytes.TrimSpace(m.Result), err: m.Error}, nil
}

// statusClass is what a status means whose body means nothing.
func statusClass(status int) Class {
	if status == http.StatusTooManyRequests || status >= 500 {
		return Busy
	}
	return Strange
}

// text gives the result, if it is a text.
func (r *rpcReply) text() string {
	var s string
	if json.Unmarshal(r.result, &s) != nil {
		return ""
	}
	return s
}

// found reports whether the result is an object.
func (r *rpcReply) found() bool { return r.err == nil && bytes.HasPrefix(r.result, []byte("{")) }
