// Package allowlist says which hosts and ports a requester may dial.
//
//	                 ┌ Name(host, port) ──▶ could any line allow this name? else it is never looked up
//	"host:port" ─────┤      look-up
//	                 └ Addr(host, addr, port) for each address, and again while connecting
//
//	lines        1  deny  bad.example.org
//	             2  allow *.example.org:443     first match wins
//	             3  allow 192.0.43.0/24:80,443
//	             -  (no match denies)
//
// # Grammar
//
// One rule a line. Everything after # is a comment, blank lines are skipped,
// upper and lower case are the same.
//
//	allow PATTERN[:PORTS]
//	deny  PATTERN[:PORTS]
//	PATTERN[:PORTS]                                      the same as allow
//	preset NAME                                          the lines of a list that comes with the program
//	ExitPolicy accept|reject|accept6|reject6 PATTERN:PORTS
//
//	PATTERN  example.org      this name, not those below it
//	         *.example.org    names below it at any depth, not example.org itself
//	         192.0.43.7       an address        192.0.43.0/24    a range
//	         [2001:500::1]    an IPv6 address, always in brackets
//	         [2001:500::]/32  a range; without ports the brackets may be left out
//	         *  *4  *6        everything, every IPv4 address, every IPv6 address
//	PORTS    443   80,443   8000-8999   *                 left out: *
//
// The ExitPolicy lines are Nym's (socks.md §14): addresses only, ports always
// given, the last colon separates them.
//
// A preset ([Presets], [PresetText]) is such a list for one use: web, git, monero and so on.
// Its lines stand where the line "preset NAME" stands.
//
// [Import] reads lists as others have them: Nym's allowed.list, where a domain
// stands for all below it too, and Tor's exit policies.
//
// # What is closed unless a line names it
//
// The rules of hardening.md H30 and H31 stand above the lines:
//
//   - An address in a special range (loopback, private, link-local,
//     documentation, multicast and so on, see special.go) needs an allow line with
//     that address, or with a range that lies inside that special range. Neither
//     "allow *", nor "allow 0.0.0.0/0", nor "allow printer.test" opens 127.0.0.1.
//     Addresses named by [List.Guard] (the host's own, the mix nodes') are treated
//     the same; outside the special ranges only a line with that very address
//     opens them.
//   - The metadata services of clouds are closed by their names too
//     (metadata.google.internal): only a line with that very name opens it.
//   - Ports 25, 119, 135-139, 445, 563, 1214, 4661-4666, 6346-6429, 6699 and
//     6881-6999 need an allow line that names the port: the number itself, or a
//     range that lies inside one of these blocks. Port 0 is never allowed.
//   - A name must be absolute and could exist in the DNS: at least two labels,
//     none of .local .localhost .onion .invalid .alt, nothing that some parsers
//     take for an IPv4 address (127.1, 0x7f.1, 017700000001). A trailing dot and
//     case do not matter. Letters beyond ASCII are written in their xn-- form.
//   - An address with a zone is never allowed; an IPv4 address inside IPv6
//     (::ffff:a.b.c.d) is judged as the IPv4 address it is.
//
// The package looks nothing up, dials nothing, reads no file by itself and logs
// nothing; its [DeniedError] never names the host.
package allowlist
