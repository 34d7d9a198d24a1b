package admit

import "time"

// Time-outs and bounds, each with its reason.

// Pauses after an Accept that failed, as in net/http: most likely the process
// is out of files, and some will be closed.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// placeShare is the part of the free places that a prefix may have, where Places
// is at least as many times PlacesPerPrefix. While most places are free it says
// nothing; who fills them from hundreds of prefixes leaves some to others.
const placeShare = 16

// maxPrefixes bounds the prefixes whose pace a Limiter remembers: 2^16 of them
// take a dozen megabytes. While all of them are in use, new ones are refused.
const maxPrefixes = 1 << 16
