// Package runtest runs, for as long as a test wants, what has a Run method in this
// program's manner: it returns nil when its context ends, and not before.
//
//	stop := runtest.Start(t, node.Run)
//	…
//	stop() // or the end of the test
//
// Serve does so with a function that serves connections. Both work in bubbles of
// testing/synctest and outside them. Only tests import it; it imports nothing of
// ours, so every package can.
package runtest
