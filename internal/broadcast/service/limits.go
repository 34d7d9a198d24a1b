package service

import "time"

// Of one transaction.
const (
	// refusedFor is how long a refusal is remembered: a transaction may become valid.
	refusedFor = time.Minute
	// othersFor is how long a refusal can be asked for, and that a transaction was given
	// up: long enough for whoever comes back to it, and no more, since it costs nothing
	// to be refused.
	othersFor = time.Hour
	// delaysAtMost is how many times the mean of a random delay one may be. One in 150 is
	// drawn again for it.
	delaysAtMost = 5
	// retryFirst and retryMost are the times between two questions for one transaction,
	// before chance has made them longer or shorter by half: a node that restarts is
	// back in seconds, one that is repaired in hours.
	retryFirst = 5 * time.Second
	retryMost  = 5 * time.Minute
	// maxAsked is how many requests wait for the outcome of one transaction; further
	// ones are told that it is queued.
	maxAsked = 16
	// jobOverhead is what a transaction counts that waits beside its bytes, so that small
	// ones are bounded in number.
	jobOverhead = 1024
	// recordOverhead is what a record counts beside its transaction or reply: its rows.
	recordOverhead = 256
)

// Of requests.
const (
	// maxClients bounds the tags whose pace is remembered: a dozen megabytes.
	maxClients = 1 << 16
	// burstSeconds is how much of its pace a tag may use at once: a wallet asks for
	// several things and then for none.
	burstSeconds = 20
	// requestOverhead is what a request may have beside its transaction, in bytes.
	requestOverhead = 4096
	// maxWaiting is how many tasks wait before one node: minutes of work for a slow one.
	maxWaiting = 1024
)

// Of answers under way. Beyond that there is none; who asks again gets one.
const (
	// answersPerTag and bytesPerTag are what a wallet has under way that asks for several
	// receipts at once.
	answersPerTag = 16
	bytesPerTag   = 512 << 10
	// answersOfAll and bytesOfAll bound memory.
	answersOfAll = 4096
	bytesOfAll   = 64 << 20
	// answerLife is how long an answer is wanted. Reply SURBs that do not come in that
	// time do not come.
	answerLife = 5 * time.Minute
)

// Old records are looked for so often, and whenever such a part of what is kept is new:
// seldom enough to cost nothing, often enough that the bound is exceeded by a sixteenth.
const (
	trimEvery = 10 * time.Minute
	trimShare = 16
)
