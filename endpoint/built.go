//go:build !messages

package endpoint

// haveStreams reports that the program was built with streams. With the tag
// messages it is not, and the linker leaves package proxy out: a page that only
// sends messages loads a sixth less.
const haveStreams = true
