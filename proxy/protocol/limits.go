package protocol

// Bounds that both ends keep.
const (
	// Window is how many data bytes of a stream either of our ends may send before
	// its peer's first [NoteLimit]: what a fast mixnet carries in the seconds that a
	// limit takes to arrive.
	Window = 4 << 20
	// MaxTarget is the longest target a client may ask for, in bytes: a name of
	// 255, a colon and a port (socks.md §6.1).
	MaxTarget = 255 + 6
)

// MaxAddresses is how many addresses of a requester are told, or believed: what fits
// into one packet with the rest of its greeting.
const MaxAddresses = 8
