package allowlist

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// A Kind says how a file of rules is written.
type Kind uint8

const (
	KindOwn Kind = iota // as this package's grammar has it
	KindNym             // Nym's allowed.list: a domain stands for all below it too
	KindTor             // torrc, or the exit policies in Tor's directories
)

func (k Kind) String() string {
	switch k {
	case KindOwn:
		return "rules of a network-requester"
	case KindNym:
		return "a list as Nym's requesters have it, where a domain stands for all below it too"
	case KindTor:
		return "an exit policy as Tor has it"
	}
	return "unknown"
}

// An Imported is what was understood of somebody else's list.
type Imported struct {
	Kind  Kind
	List  *List
	Notes []string // what was left out or read in a way one might not expect, by line

	privateDenied bool // all private ranges are, by the first lines of List
}

// Import reads a list as people have them: Nym's allowed.list, Tor's exit policies,
// or our own, with or without a byte order mark. Which of them it is shows in the
// lines. Errors name the line, counted from 1.
func Import(r io.Reader) (*Imported, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("allowlist: read: %w", err)
	case len(text) > maxText:
		return nil, fmt.Errorf("allowlist: longer than %d bytes", maxText)
	case isUTF16(string(text)):
		return nil, errUTF16
	}
	im := &Imported{Kind: kindOf(text), List: &List{}}
	if im.Kind == KindTor && isTorrc(text) {
		if err := im.addTorDefaults(text); err != nil {
			return nil, err
		}
	}
	sc := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte(byteOrderMark))))
	joined := "" // the beginning of a line of torrc that goes on in the next
	for n := 1; sc.Scan(); n++ {
		rule := uncommented(sc.Text())
		if im.Kind == KindTor {
			head, more := strings.CutSuffix(rule, "\\")
			if joined += head; more {
				continue
			}
			rule, joined = joined, ""
		}
		if rule == "" {
			continue
		}
		var err error
		switch im.Kind {
		case KindTor:
			err = im.addTor(n, rule)
		case KindNym:
			err = im.addNym(n, rule)
		default:
			err = im.List.add(rule)
		}
		if err != nil {
			return nil, fmt.Errorf("allowlist: line %d: %w", n, err)
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("allowlist: a line is longer than %d bytes", bufio.MaxScanTokenSize)
	}
	if joined != "" {
		return nil, errors.New("allowlist: the last line ends in \\ and does not go on")
	}
	return im, nil
}

// byteOrderMark is how some editors begin a file.
const byteOrderMark = "\xef\xbb\xbf"

// isUTF16 reports whether a text begins as editors and shells on Windows mark UTF-16.
func isUTF16(text string) bool {
	return strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff")
}

var errUTF16 = errors.New("allowlist: the text is UTF-16; save it as UTF-8")

// uncommented cuts comments of either kind off, and the sign by which torrc adds a line
// to those of another file.
func uncommented(line string) string {
	if len(line) > len("+exitpolicy") && strings.EqualFold(line[:len("+exitpolicy")], "+exitpolicy") {
		line = line[1:]
	}
	line, _, _ = strings.Cut(line, "#")
	if i := strings.Index(line, "//"); i == 0 || i > 0 && (line[i-1] == ' ' || line[i-1] == '\t') {
		line = line[:i]
	}
	return strings.TrimSpace(line)
}

// kindOf tells by the words at the beginnings of lines: actions are ours or
// Tor's; where there are none, ports and stars are ours, and all else is Nym's.
func kindOf(text []byte) Kind {
	kind := KindNym
	for line := range strings.Lines(strings.TrimPrefix(string(text), byteOrderMark)) {
		rule := uncommented(line)
		words := strings.Fields(strings.ToLower(rule))
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "accept", "accept6", "reject", "reject6", "exitrelay", "exitpolicyrejectprivate", "ipv6exit", "reducedexitpolicy":
			return KindTor
		case "exitpolicy":
			kind = KindTor // ours knows such lines too; all of them mean the same
		case "allow", "deny":
			return KindOwn
		}
		if kind != KindNym || len(words) > 1 {
			continue
		}
		if strings.HasPrefix(rule, "[") || strings.Contains(rule, "*") || strings.Count(rule, ":") == 1 {
			kind = KindOwn
		}
	}
	return kind
}

// addNym adds a line of Nym's list.
func (im *Imported) addNym(n int, rule string) error {
	if strings.ContainsAny(rule, " \t") {
		return fmt.Errorf("one host a line, found %q", rule)
	}
	if addr, mask, hasMask := strings.Cut(rule, "/"); hasMask || strings.Contains(rule, ":") || isAddr(rule) {
		a, err := netip.ParseAddr(addr)
		if err != nil {
			return fmt.Errorf("%q is neither a name nor an address", rule)
		}
		if !hasMask {
			return im.List.add("allow " + bracketed(a, ""))
		}
		p, err := netip.ParsePrefix(a.String() + "/" + mask)
		if err != nil {
			return fmt.Errorf("mask %q is no number from 0 to %d", mask, a.BitLen())
		}
		if p != p.Masked() {
			im.note(n, "%s is read as %s", rule, p.Masked())
		}
		return im.List.add("allow " + bracketed(p.Masked().Addr(), mask))
	}
	if err := im.List.add("allow " + rule); err != nil {
		return err
	}
	return im.List.add("allow *." + strings.TrimSuffix(rule, "."))
}

// torOption gives the value of an option of torrc; of several lines with it the
// last counts, as for Tor. It is "" where there is none.
func torOption(text []byte, option string) (value string) {
	for line := range strings.Lines(strings.TrimPrefix(string(text), byteOrderMark)) {
		if w := strings.Fields(uncommented(line)); len(w) > 1 && strings.EqualFold(w[0], option) {
			value = w[1]
		}
	}
	return value
}

// isTorrc tells a torrc from the policies in Tor's directories, which say
// everything themselves.
func isTorrc(text []byte) bool {
	return slices.ContainsFunc([]string{"ExitPolicy", "ExitRelay", "ExitPolicyRejectPrivate", "IPv6Exit", "ReducedExitPolicy"},
		func(option string) bool { return torOption(text, option) != "" })
}

// addTorDefaults adds what a torrc means without saying it: private ranges are
// denied before its rules, unless it says ExitPolicyRejectPrivate 0. What else Tor
// opens or closes by itself is noted.
func (im *Imported) addTorDefaults(text []byte) error {
	if torOption(text, "ExitPolicyRejectPrivate") == "0" {
		im.Notes = append(im.Notes, "ExitPolicyRejectPrivate 0: private ranges are opened where a rule names them")
	} else {
		for _, p := range private {
			if err := im.List.add("ExitPolicy reject " + p + ":*"); err != nil {
				return err
			}
		}
		im.privateDenied = true
		im.Notes = append(im.Notes, "private ranges are denied first, as Tor does without ExitPolicyRejectPrivate 0")
	}
	if torOption(text, "IPv6Exit") != "1" {
		im.Notes = append(im.Notes, "Tor reaches IPv6 addresses with IPv6Exit 1 only; these rules do where they fit (deny *6, in front, closes them)")
	}
	if torOption(text, "ReducedExitPolicy") == "1" {
		im.Notes = append(im.Notes, "ReducedExitPolicy 1: Tor's reduced policy is not taken over")
	}
	return nil
}

// addTor adds a line of an exit policy: one rule, or several behind ExitPolicy.
func (im *Imported) addTor(n int, line string) error {
	words := strings.Fields(line)
	first := strings.ToLower(words[0])
	rules := []string{line}
	switch first {
	case "exitpolicy":
		rules = strings.Split(strings.TrimSpace(line[len(words[0]):]), ",")
	case "accept", "accept6", "reject", "reject6":
	case "exitpolicyrejectprivate", "ipv6exit", "reducedexitpolicy": // addTorDefaults
		return nil
	default:
		if first == "exitrelay" && len(words) > 1 && words[1] == "0" {
			im.note(n, "%q says that nothing may leave, which is not taken over", line)
		} else if first != "exitrelay" {
			im.note(n, "%s is no rule and left out", words[0])
		}
		return nil
	}
	for _, rule := range rules {
		w := strings.Fields(rule)
		switch {
		case len(w) == 0:
			continue
		case len(w) != 2:
			return fmt.Errorf("a rule has an action and a pattern, found %q", strings.TrimSpace(rule))
		}
		if err := im.addTorRule(n, strings.ToLower(w[0]), w[1]); err != nil {
			return err
		}
	}
	return nil
}

func (im *Imported) addTorRule(n int, action, pattern string) error {
	host, ports := torPorts(pattern)
	if strings.EqualFold(host, "private") {
		// They are closed anyhow, but a line below may open one.
		if im.privateDenied {
			return nil
		}
		if strings.HasPrefix(action, "accept") {
			im.note(n, "opens all private ranges")
		}
		for _, p := range private {
			if strings.HasSuffix(action, "6") && !strings.HasPrefix(p, "[") {
				continue
			}
			if err := im.List.add("ExitPolicy " + action + " " + p + ":" + ports); err != nil {
				return err
			}
		}
		return nil
	}
	if host == "*" && strings.HasSuffix(action, "6") {
		host = "*6"
	}
	if addr, mask, ok := strings.Cut(host, "/"); ok && strings.Contains(mask, ".") {
		bits, err := maskBits(mask)
		if err != nil {
			return err
		}
		host = fmt.Sprintf("%s/%d", addr, bits)
	}
	return im.List.add("ExitPolicy " + action + " " + host + ":" + ports)
}

// torPorts separates a pattern from its ports, which are all if absent.
func torPorts(pattern string) (host, ports string) {
	end := strings.LastIndexByte(pattern, ']') // before it a colon separates nothing
	colon := strings.LastIndexByte(pattern, ':')
	if colon <= end || end < 0 && strings.Count(pattern, ":") > 1 && isAddr(strings.SplitN(pattern, "/", 2)[0]) {
		return pattern, "*"
	}
	return pattern[:colon], pattern[colon+1:]
}

// private is what Tor calls private.
var private = []string{
	"0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
	"[::1]/128", "[::]/8", "[fc00::]/7", "[fe80::]/10", "[fec0::]/10", "[ff00::]/8",
}

// maskBits counts the bits of a netmask in dots.
func maskBits(mask string) (int, error) {
	a, err := netip.ParseAddr(mask)
	if err != nil || !a.Is4() {
		return 0, fmt.Errorf("%q is no netmask", mask)
	}
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	bits := 0
	for ; bits < 32 && v&(1<<31) != 0; bits++ {
		v <<= 1
	}
	if v != 0 {
		return 0, fmt.Errorf("%q is no netmask: its ones are not all in front", mask)
	}
	return bits, nil
}

// bracketed is an address, and its mask if any, as our grammar writes them.
func bracketed(a netip.Addr, mask string) string {
	s := a.String()
	if a.Is6() {
		s = "[" + s + "]"
	}
	if mask != "" {
		s += "/" + mask
	}
	return s
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func (im *Imported) note(line int, format string, args ...any) {
	im.Notes = append(im.Notes, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
}
