package proxy

import (
	"strings"
	"unicode/utf8"
)

// HostName brings a name into the one form in which it is sent, compared and
// looked up. It reports false if DNS cannot know the name: labels have 1 to 63
// letters, digits, hyphens and underscores, the name at most 253 in all; one dot at
// its end is kept.
func HostName(name string) (string, bool) {
	if len(name) > maxHostName+1 && isASCII(name) || len(name) > 4*maxHostName {
		return "", false
	}
	if !isASCII(name) {
		ascii, err := toASCII(name)
		if err != nil || !utf8.ValidString(name) {
			return "", false
		}
		name = ascii
	}
	rest := strings.TrimSuffix(name, ".")
	if len(rest) > maxHostName {
		return "", false
	}
	for label := range strings.SplitSeq(rest, ".") {
		if len(label) == 0 || len(label) > 63 {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
		}
	}
	return name, true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
