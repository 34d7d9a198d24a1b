package chain

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// A Class is why a node gave no answer, in words that tell nothing of whom or what
// it was asked about: for logs.
type Class string

// The classes.
const (
	Refusing     Class = "it refuses connections"
	Unreachable  Class = "it cannot be reached"
	Slow         Class = "it does not answer in time"
	CutOff       Class = "it closed the connection"
	Uncertified  Class = "its certificate is not accepted"
	Unauthorized Class = "it does not accept the credentials, or there are none"
	Strange      Class = "what it says is no answer"
	Busy         Class = "it is not ready, or has not caught up with its chain"
	OtherChain   Class = "it is a node of another chain"
	Ended        Class = "the call was taken back"
)

// A failure is an error after which nobody knows what the node did.
type failure struct {
	class Class
	err   error
}

func (f *failure) Error() string { return "chain: " + string(f.class) }
func (f *failure) Unwrap() error { return f.err }

func fail(c Class, err error) error { return &failure{c, err} }

// ClassOf gives the class of an error of a Node.
func ClassOf(err error) Class {
	if f := new(failure); errors.As(err, &f) {
		return f.class
	}
	return Strange
}

// classify makes an error of package net one that does not name the host.
func classify(err error) error {
	var t net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fail(Ended, err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &t) && t.Timeout():
		return fail(Slow, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(Refusing, err)
	}
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return fail(Uncertified, err)
	}
	if op := new(net.OpError); errors.As(err, &op) && op.Op == "dial" {
		return fail(Unreachable, err)
	}
	return fail(CutOff, err)
}
