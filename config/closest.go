package config

import (
	"slices"
	"strings"
)

// Closest finds the word that was probably meant: one that differs in at most
// a third of its letters; those of a section that both have do not count. A word
// in the wrong section ("sock.listen", "listen") is found by what follows the
// last dot.
func Closest(word string, known []string) (string, bool) {
	best, least := "", 1<<30
	dot := strings.LastIndexByte(word, '.') + 1
	section, last := word[:dot], word[dot:]
	for _, k := range known {
		letters := len(k)
		if name, same := strings.CutPrefix(k, section); same && !strings.Contains(name, ".") {
			letters = len(name)
		}
		if d := distance(word, k); d < least && d <= max(1, letters/3) {
			best, least = k, d
		}
	}
	if best != "" {
		return best, true
	}
	for _, k := range slices.Backward(known) { // a program's own sections are the last
		if i := strings.LastIndexByte(k, '.'); i >= 0 && k[i+1:] == last {
			return k, true
		}
	}
	return "", false
}

// distance counts the letters to insert, remove, change or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return 1 << 30
	}
	var d [maxWord + 1][maxWord + 1]int
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			if i == 0 || j == 0 {
				d[i][j] = i + j
				continue
			}
			change := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
