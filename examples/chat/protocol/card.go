package protocol

import (
	"fmt"
	"net/url"
	"strings"

	"nym-socks5/mixnet"
)

// scheme begins a card in text form.
const scheme = "nymchat:"

// maxCardText is the longest text that can be a card.
const maxCardText = 512

// String gives the text form, which a QR code holds too: nymchat:ADDRESS?name=NAME.
func (c Card) String() string {
	return scheme + c.Address.String() + "?" + url.Values{"name": {c.Name}}.Encode()
}

// ParseCard parses the text form. A bare address will do too; then there is no
// name. Its errors wrap [ErrMalformed].
func ParseCard(s string) (c Card, err error) {
	if len(s) > maxCardText {
		return Card{}, fmt.Errorf("%w: card of %d letters, want at most %d", ErrMalformed, len(s), maxCardText)
	}
	s = strings.TrimSpace(s)
	rest, isCard := strings.CutPrefix(s, scheme)
	address, query, _ := strings.Cut(rest, "?")
	if !isCard {
		address, query = s, ""
	}
	if c.Address, err = mixnet.ParseRecipientText(address); err != nil {
		return Card{}, fmt.Errorf("%w: a card is %sADDRESS?name=NAME, or an address alone: %v", ErrMalformed, scheme, err)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Card{}, fmt.Errorf("%w: card: %v", ErrMalformed, err)
	}
	if c.Name = values.Get("name"); c.Name != "" {
		err = CheckName(c.Name)
	}
	if err != nil {
		return Card{}, err
	}
	return c, nil
}
