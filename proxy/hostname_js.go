package proxy

import "errors"

// toASCII: in a browser the URL parser has done it, by the same rules, before a
// name comes here. The tables would be a tenth of what a page loads.
func toASCII(string) (string, error) {
	return "", errors.New("proxy: the name is not ASCII")
}
