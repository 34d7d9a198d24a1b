package allowlist

// Bounds of a list. It may come over the network.
const (
	maxText  = 4 << 20 // bytes of text: the longest lists that circulate have less than one megabyte
	maxLines = 1 << 16 // rules: each is compared with every target
	// maxName is the longest name in text form, without a trailing dot (RFC 1035).
	maxName = 253
)
