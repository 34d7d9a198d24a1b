// Package linktest stands in the place of a node's neighbours in tests on virtual
// time: a [Sink] takes the links of a node and keeps the frames that come.
//
//	node under test ── link ──▶ Sink ──Take──▶ test
//
// Package link itself tests with servers of its own. Only tests import this package.
package linktest
