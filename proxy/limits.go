package proxy

import (
	"time"

	"nym-socks5/proxy/protocol"
)

// Defaults of [Config].
const (
	defaultDialTimeout    = 18 * time.Second     // socks.md §21.2: some applications wait for 20 s
	defaultIdleLimit      = 300 * time.Second    // socks.md §21.4, as the reference
	defaultKeepAlive      = 60 * time.Second     // the same: at most that far apart
	defaultHalfCloseQuiet = 20 * time.Second     // the same
	defaultCoalesce       = 3 * time.Millisecond // "a few milliseconds", less than any way through a mixnet
	defaultTagLifetime    = 10 * time.Minute     // socks.md §21.6, like a circuit
	defaultStreams        = 4096                 // at some 50 kB each, 200 MB
	defaultStreamsPerTag  = 256                  // as many as several browsers; our clients use further tags
	defaultMemory         = 256 << 20            // 64 windows
)

// Bounds of one stream.
const (
	// hardLimit is how many received bytes are held for an application; beyond it
	// the stream is reset. Peers of ours keep to half of it, the window; what
	// others send beyond that is what their SURBs and messages underway bring.
	hardLimit = 2 * protocol.Window
	// stallMark is how many received bytes make an application count as not
	// reading: more than a slow one leaves between two reads, an eighth of the window.
	stallMark = protocol.Window / 8
	// maxFull is how many full messages wait to be sent before a writer waits: enough
	// that the pump always has one.
	maxFull = 4
	// maxSpan is how many messages there may be from the oldest unacknowledged one
	// to the newest. A peer drops what is more than 1000 ahead of what it has
	// (socks.md §21.4).
	maxSpan = 512
	// reorderWindow is how far ahead of the next expected number a message may be
	// (socks.md §10).
	reorderWindow = 1000
)

// Memory of received messages, in bytes.
const (
	// messageCost is what a message costs beyond its data: slices that name it, and
	// what the allocator rounds up.
	messageCost = 64
	// Messages below smallData are copied together into blocks of mergeBlock, so
	// that what they cost stays in proportion to their data: a fragment's, of 2 kB.
	smallData  = 2 << 10
	mergeBlock = 8 << 10
)

// otherRead is how many bytes the reference reads of a socket at once, and so puts
// into a message, with packets of the regular size (socks.md §11.1).
const otherRead = 16 << 10

// Reply SURBs that messages carry, where the Messenger does not know better.
const (
	furtherSURBs = 8  // expected to be spent on the answer to a stream beside others of its tag
	querySURBs   = 15 // with a lone control request (socks.md §5)
	helloSURBs   = 3  // with one beside a Connect, which it may overtake: as many as fit into its packet
	noSURBs      = -1 // with data that fill their packets
)

// greetingWaits is how long a stream's "connected" waits for data to ride with it, at
// most. Where our peer has sent none yet, the target may speak first, and then does so at
// once.
const (
	greetingWaits      = 5 * time.Millisecond
	greetingWaitsFirst = 2 * time.Millisecond
)

// Bounds of what is kept of streams before their Connect has arrived, and of
// streams that have not been accepted yet (socks.md §21.3).
const (
	earlyMessages = 64               // of a stream: more than others send before they are answered
	earlyBytes    = 512 << 10        // of a stream: half a second of a fast sender
	earlyStreams  = 256              // in all: a tag's whole share at once
	earlyTotal    = 16 << 20         // bytes in all: 32 streams with all they may have
	earlyAge      = 30 * time.Second // a Connect that is overtaken by longer was lost

	openingMessages = earlyMessages / 2 // what leaves before the stream is known to be open:
	openingBytes    = earlyBytes / 2    // half of what a requester of ours keeps
)

// maxHostName is the longest name in text form, without a trailing dot (RFC 1035).
const maxHostName = 253

// MaxAddresses is how many addresses of one requester are told, or believed.
const MaxAddresses = protocol.MaxAddresses

// Bounds of a Proxy.
const (
	acceptQueue   = 128              // streams waiting for Accept; more are refused
	recentStreams = 1 << 14          // ids of streams that are over
	recentAge     = 10 * time.Minute // how long they are remembered: longer than any message is sent again
	knownPeerTags = 1 << 16          // tags of strangers known as ours
	spentLanes    = 1 << 10          // lanes of small messages that may still be underway
	maxIdentities = 1024             // sender tags in use at a time, and requesters remembered
	controlJobs   = 4096             // small messages that wait to be sent; more are dropped
)

// How streams are shared out among tags, see roomFor.
const (
	// keptForFew is the part of all streams, one in eight, that is kept for tags
	// with fewer than fewStreams: a page opens that many at once.
	keptForFew = 8
	fewStreams = 8
	// longIdle is how long a stream must have been idle to give way although its
	// tag has only one more than the one that asks: a keep-alive's distance.
	longIdle = time.Minute
)

// Times.
const (
	housekeeping = time.Second // how often idle streams and old memories are looked for

	// shutdownLimit is how long closes may take to leave when Run ends (socks.md §21.4).
	shutdownLimit = 3 * time.Second
	// controlPatience limits the sending of one small message: others wait behind it.
	controlPatience = 2 * time.Second
	// optimisticLimit is how long a stream that was dialed without waiting lives
	// when no answer comes: what a requester may take to connect, and the way.
	optimisticLimit = 60 * time.Second
	// reasonWait is how long a close that came first waits for the failure message
	// that says why (socks.md §21.3).
	reasonWait = 2 * time.Second
	// closeAfterFailure is how long the close waits behind a failure message, so
	// that it does not overtake it (socks.md §21.3).
	closeAfterFailure = time.Second
	// kindPatience is how long what only a peer of ours understands waits for the
	// note that tells it apart: its first Connect may overtake it.
	kindPatience = time.Second
	// kindAge is how long it is believed that a requester is not ours, and how long
	// a tag is known to a requester as one of ours without saying so again.
	kindAge = time.Hour
	// maxUp is how long a requester is believed to have run: longer makes no difference.
	maxUp = 10 * 365 * 24 * time.Hour
	// noticeEvery is how far apart lines of the log are that say the same.
	noticeEvery = time.Minute
	// helloAgain is how often a requester is told, and asked, who is there.
	helloAgain = 10 * time.Minute

	farewellSend = 3 * time.Second  // for the Messenger to take the last close of a failed stream
	farewellWait = 10 * time.Second // for its acknowledgement: some round trips

	// drainTimeout is how long a socket may take to accept what it is still owed by
	// a stream that is over.
	drainTimeout = 30 * time.Second
	// lookEvery is how often a socket that has half-closed is looked at: an
	// application that is gone answers the kernel's keep-alives, 15 seconds apart, with
	// a reset a minute later.
	lookEvery = 5 * time.Second
	// halfClosedSilence is how long nothing may come for a socket that has
	// half-closed: longer than any server thinks about an answer, and no more, since
	// most that half-close have closed.
	halfClosedSilence = 10 * time.Minute
	// maxSentPause is how long is waited between two looks at whether a socket has
	// sent everything: a reset that late is not noticed.
	maxSentPause = 100 * time.Millisecond
)

// How long the halves of a stream outlive each other towards peers that are
// not ours and tear down both at once (socks.md §21.4).
const (
	lingerDialer   = 5 * time.Second  // for our application, after the requester's close
	lingerResponse = 15 * time.Second // for a response, after the client's close and since its last data
	lingerLongest  = 60 * time.Second // for a response, after the client's close
	lingerSilent   = 15 * time.Second // for the peer's close, after ours
)

// Streams of Nym's SDK (sdk-streams.md), which know no flow control and no end.
const (
	sdkStreams       = 1024             // at a time, dialed and accepted
	sdkStreamsPerTag = 64               // of one stranger
	sdkIdle          = 30 * time.Minute // without a sign of the far end, as the SDK
	sdkChunk         = 16 << 10         // bytes of one message, about: as of our own streams
	// sdkSpan is how many messages there may be from the oldest unacknowledged one to
	// the newest: the SDK loses data beyond 256 out of order, and may hold some that we
	// believe to be acknowledged already.
	sdkSpan  = 128
	sdkSmall = 8 // from so many on underway, what does not fill a message waits for more
	// sdkHeld is how many messages may wait for one that is missing: the SDK sends
	// without limit, and a message that is sent again takes seconds.
	sdkHeld = 4096
	// sdkUnread is how many received bytes one stream may hold. A write of the SDK is one
	// message, of up to 16 MiB, and two are beside each other where the reader is slow.
	sdkUnread     = 48 << 20
	sdkMemory     = 256 << 20 // all of them; beyond it the one that holds most ends
	sdkEarlyBytes = 4 << 20   // of one stream before its opening: a write of a megabyte and more
)
