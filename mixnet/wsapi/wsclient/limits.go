package wsclient

// Bounds of what the port sends, in bytes.
const (
	maxFrame   = 24 << 20 // the largest answer: a message of 16 MiB in base64, and the other members
	maxRefusal = 4 << 10  // the text of a refusal, of which more is not read
)
