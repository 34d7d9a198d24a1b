// Package messengertest has the suite that every Messenger must pass, whatever
// carries its messages: a test for each sentence of the contract of
// [mixnet.Messenger].
//
//	func TestMessenger(t *testing.T) {
//		messengertest.Run(t, func(t *testing.T) messengertest.World { … })
//	}
//
//	open(t) ─▶ World{A, B, Cut, End}     a mixnet without delay or loss, in a bubble
//
// Each test runs in a testing/synctest bubble of its own, in which open makes two
// Messengers that nobody else uses, and leaves to t.Cleanup what ends them.
//
// The package does not test what is special to an implementation: pacing, cover,
// the table of strangers' tags that [mixnet.Messenger.Pin] is about, mail for
// those who are away.
package messengertest
