// Package storetest has the suites that every store must pass, whatever it
// keeps its rows in.
//
//	func TestAccounts(t *testing.T) {
//		storetest.Accounts(t, func(t *testing.T) func() gateway.Accounts { … })
//	}
//
//	fresh(t) ─▶ reopen() ─▶ an empty store
//	            reopen() ─▶ what was in it when its program was killed, now
//	            reopen() ─▶ …
//
// For each test fresh prepares an empty store, and gives the function that
// opens it. Every call but the first stands for the start after a crash: the
// store of before was not closed, and is not used any more. A store that ends
// with the process gives itself again.
//
// The package does not test what happens when the machine fails, nor how fast a
// store is, nor what is special to one of them: files, locks, versions.
package storetest
