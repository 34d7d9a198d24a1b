// Package mixnettest is for tests: two Messengers joined in memory, with the
// vices of a mixnet and without its cryptography.
//
//	pair := mixnettest.NewPair(mixnettest.Options{Latency: 100 * time.Millisecond, Loss: 0.01, CountSURBs: true})
//	err := pair.A.Send(ctx, pair.B.Address(), body, mixnet.SendOptions{As: tag})
//	m, err := pair.B.Receive(ctx)
//
//	A.Send ──▶ lane (bounded) ──▶ latency, jitter, loss, doubles ──▶ B.Receive
//	A.Done ◀──────────────── acknowledgement ◀──────────────────────┘
//	A.Receive ◀── latency … ◀── one reply SURB per packet ◀── B.Reply
//
// A Pair keeps the promises of [mixnet.Messenger]: what was accepted arrives in
// the end, in any order, unless the options say otherwise; what is lost on the
// way costs time, since it is sent again. Without jitter and loss the order is
// kept. Package messengertest holds it to that. It starts no goroutine of its own
// and uses the clock only through timers, so it works inside a testing/synctest
// bubble. What a packet holds is a round number of its own.
//
// It does not encrypt, pace or hide anything.
package mixnettest
