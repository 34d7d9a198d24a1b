package allowlist_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"nym-socks5/allowlist"
)

// A requester asks twice: before it looks a name up, and for each address.
func Example() {
	list, err := allowlist.Parse(strings.NewReader(`
		deny  ads.example.org
		allow *.example.org:443
		allow 192.0.43.0/24:80,443
	`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("www.example.org:443:", list.Name("www.example.org", 443))
	fmt.Println("www.example.org:443 at 192.0.43.7:", list.Addr("www.example.org", netip.MustParseAddr("192.0.43.7"), 443))

	// No line names loopback, so a name that leads there is refused.
	err = list.Addr("www.example.org", netip.MustParseAddr("127.0.0.1"), 443)
	var denied *allowlist.DeniedError
	fmt.Println("at 127.0.0.1, denied:", errors.As(err, &denied))

	// Output:
	// www.example.org:443: <nil>
	// www.example.org:443 at 192.0.43.7: <nil>
	// at 127.0.0.1, denied: true
}
