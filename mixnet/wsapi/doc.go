// Package wsapi lets other programs on this machine use a client: a WebSocket
// server that speaks as Nym's own client does (socks.md §17).
//
//	s, err := wsapi.New(wsapi.Config{Messenger: m})
//	err = s.Run(ctx, ln)
//
//	program A ◀─ text, JSON ──▶ peer ─┬─ requests ─▶ lanes ─▶ Send, Reply ──▶ ┌───────────┐
//	program B ◀─ binary ──────▶ peer ─┘                                       │ Messenger │
//	     ▲                        ▲                                           └───────────┘
//	     │                        └─────────────── hub ◀── Receive ◀───────────────┘
//	     └── nobody there: messages are kept, up to a bound, for the next who connects
//
// A frame is one request. Text frames carry JSON, binary frames the binary form,
// and a program may mix them. Its answer has the form of the request; messages
// that arrive have the form of the last request, and binary form before the first.
//
// Answers come in the order of the requests, save that a send which waits for
// room in its lane does not hold up what follows it. What a program has handed
// over is sent also if it disconnects at once. Of what a program hands over faster
// than it can leave, 128 MiB wait; beyond that its requests are answered with an
// error, and reading goes on, so that pings are answered.
//
// # Beyond Nym's client
//
// All of this is optional, and a program that knows nothing of it sees none of
// it (socks.md §21.8):
//
//   - Several programs may be connected; each gets every message that arrives,
//     or with {"type":"subscribe"} those of some senderTags, the replies to what it
//     sent, the others. With ?subscribe=later it gets nothing before it says which.
//   - "events": true in a send with an id has it told what becomes of it: ok (it is
//     queued) at once, then accepted, then acknowledged or failed.
//   - {"type":"cancel","request":ID} takes back the send with that id.
//   - {"type":"status"} tells how the server and the client fare.
//   - A recipient may be one of [Config.Names].
//   - JSON has the requests closedConnection and getLaneQueueLength, with a
//     connectionId.
//   - "encoding": "base64" in any JSON request says that its message, if any, is
//     base64, and asks for arriving messages in that form.
//   - "id", a string or number, in a JSON request: the last answer to it, but for
//     events, is of type ok or error and has the same id. For a send, ok means that
//     it is queued.
//   - The sub-protocols nym.text and nym.base64 choose the form of messages that
//     arrive before the first request.
//   - A reply to a tag that is not known is answered with an error.
//   - Byte streams: CONNECT ADDRESS:PORT in place of a WebSocket opens one, and
//     {"type":"listen","port":22} has a program told of those that come; see [Streams].
//
// The package neither opens the port nor knows the mixnet. It does not tell
// programs apart: who may connect sees all messages and speaks for the client.
// It keeps nothing on disk but what a [Backlog] does, and logs nothing of what passes.
package wsapi
