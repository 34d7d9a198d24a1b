package config

import "time"

// Time-outs and bounds, each with its reason.

const (
	// maxFile is the size of the largest file that is read, in bytes: a hundred times
	// that of one with every setting explained.
	maxFile = 1 << 20
	// maxWord bounds the work of finding the setting that was meant, in letters: the
	// longest is shorter.
	maxWord = 64
	// maxPerHost bounds each kind of program on one host: more than it has cores for.
	maxPerHost = 100
	// maxDelay is the longest delay that nodes honour (sphinx.md §3.10).
	maxDelay = Duration(10 * time.Second)
	// MaxJoin is the size of the longest link, or file of facts, in bytes: a hundred
	// times that of a long one. It comes from somebody else.
	MaxJoin = 16 << 10
	// maxDirectories bounds how many directories one link has programs ask, one after
	// the other where none answers.
	maxDirectories = 16
)
