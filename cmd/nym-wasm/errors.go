//go:build js

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/proxy"
)

// A code tells JavaScript what kind of failure an Error is. sdk/index.d.ts has the
// same list.
type code string

const (
	codeArgument  code = "bad-argument"
	codeDirectory code = "directory"    // cannot be asked, or not be believed
	codeFork      code = "fork"         // the directory shows others another network
	codeStorage   code = "storage"      // cannot be read or written
	codeDamaged   code = "bad-storage"  // not what a program of ours wrote, or by a newer one
	codeInsecure  code = "insecure"     // the page came over https and the gateway speaks ws only
	codeClosed    code = "closed"       // the client has ended
	codeAborted   code = "aborted"      // by the caller's AbortSignal
	codeTooLong   code = "too-long"     // the message
	codeEmpty     code = "empty"        // the reply
	codeTag       code = "unknown-tag"  // nobody of that tag wrote lately
	codeSURBs     code = "no-surbs"     // whoever wrote sent no more reply SURBs
	codeGivenUp   code = "gave-up"      // no acknowledgement came
	codeRequester code = "no-requester" // there is none, or it does not answer
	codeDenied    code = "denied"       // by the requester's policy
	codeName      code = "no-such-name"
	codeRefused   code = "refused" // by the target
	codeReach     code = "unreachable"
	codeTimeout   code = "timeout"
	codeAuthority code = "bad-certificate" // the target's, for https
	codeLimit     code = "limit"
	codeNetwork   code = "no-network" // no gateway can be reached
	codeFailed    code = "failed"     // the rest
)

// A coded error is one that we know the code of.
type coded struct {
	code code
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

// badArgument reports what a caller got wrong.
func badArgument(format string, args ...any) error {
	return &coded{codeArgument, fmt.Errorf(format, args...)}
}

// A foreignError is one that JavaScript threw at us; it goes back as it came.
type foreignError struct{ v js.Value }

func (e *foreignError) Error() string {
	if e.v.Type() == js.TypeObject {
		return text(e.v, "message")
	}
	return e.v.String()
}

// codes are those of sentinels.
var codes = []struct {
	err  error
	code code
}{
	{context.Canceled, codeAborted}, {context.DeadlineExceeded, codeTimeout},
	{mixnet.ErrClosed, codeClosed}, {proxy.ErrClosed, codeClosed},
	{mixnet.ErrTooLong, codeTooLong}, {mixnet.ErrEmpty, codeEmpty}, {mixnet.ErrUnknownTag, codeTag},
	{mixnet.ErrNoSURBs, codeSURBs}, {mixnet.ErrGivenUp, codeGivenUp}, {mixnet.ErrCanceled, codeAborted},
	{directory.ErrFork, codeFork}, {endpoint.ErrInsecure, codeInsecure},
	{endpoint.ErrNoRequester, codeRequester}, {endpoint.ErrDamaged, codeDamaged}, {endpoint.ErrNewer, codeDamaged},
}

// reasonCodes are those of streams that could not be opened.
var reasonCodes = map[proxy.Reason]code{
	proxy.ReasonDenied: codeDenied, proxy.ReasonDNS: codeName, proxy.ReasonRefused: codeRefused,
	proxy.ReasonUnreachable: codeReach, proxy.ReasonTimeout: codeTimeout, proxy.ReasonLimit: codeLimit,
	proxy.ReasonNoAnswer: codeRequester, proxy.ReasonNoNetwork: codeNetwork,
}

func codeOf(err error) code {
	var (
		own  *coded
		ask  *directory.AskError
		open *proxy.OpenError
	)
	switch {
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &open):
		if c, ok := reasonCodes[open.Reason]; ok {
			return c
		}
		return codeFailed
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	if hasAuthorityError(err) {
		return codeAuthority
	}
	if errors.As(err, &ask) {
		return codeDirectory
	}
	return codeFailed
}

// failure makes a JavaScript Error.
func failure(err error) js.Value {
	var foreign *foreignError
	if errors.As(err, &foreign) && foreign.v.Type() == js.TypeObject && text(foreign.v, "code") != "" {
		return foreign.v
	}
	e := js.Global().Get("Error").New(err.Error())
	e.Set("code", string(codeOf(err)))
	return e
}
