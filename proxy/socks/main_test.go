package socks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// lookups counts questions to the system's resolver: there must be none in the
// whole suite.
var lookups atomic.Int64

// socks.md §21.1: "MUST never resolve a target name locally".
// socks.md §23: "No DNS packet leaves the client machine during the whole suite."
func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		lookups.Add(1)
		return nil, errors.New("a name was looked up")
	}}
	code := m.Run()
	if n := lookups.Load(); n != 0 {
		fmt.Fprintf(os.Stderr, "%d DNS questions were asked\n", n)
		code = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
