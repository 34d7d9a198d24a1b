//go:build messages

package endpoint

const haveStreams = false
