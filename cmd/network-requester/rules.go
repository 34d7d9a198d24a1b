package main

import (
	"bytes"
	"strings"
	"sync"

	"nym-socks5/allowlist"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/proxy/protocol"
	"nym-socks5/proxy/requester"
)

// openRules reads the operator's rules: those of the settings first, then the
// file's. It refuses none at all, and, unless that is meant, all at once:
// nobody runs a useless requester or an open one by accident.
func openRules(e config.Egress) (*cli.File[*allowlist.List], error) {
	first, err := allowlist.ParseFlags(e.Allow)
	if err != nil {
		return nil, cli.Invalid("requester.allow: %s", strings.TrimPrefix(err.Error(), "allowlist: "))
	}
	return cli.OpenFile(string(e.Allowlist), func(b []byte) (*allowlist.List, error) {
		list, err := allowlist.Parse(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		list, err = first.Append(list)
		switch {
		case err != nil:
			return nil, err
		case list.Empty():
			return nil, cli.Invalid("nothing is allowed; a rule looks like: allow example.org:443")
		case list.Open() && !e.Open:
			return nil, cli.Invalid("every public host is allowed; say --open (requester.open) if you mean it")
		}
		return list, nil
	})
}

// answers tells askers what the rules of the moment are (socks.md §7.3).
func answers(rules *cli.File[*allowlist.List]) func(protocol.Query) protocol.Answer {
	var mu sync.Mutex
	var of *allowlist.List
	var answer func(protocol.Query) protocol.Answer
	return func(q protocol.Query) protocol.Answer {
		list := rules.Value()
		mu.Lock()
		defer mu.Unlock()
		if list == of { // strangers may ask often, and a policy may be long
			return answer(q)
		}
		var policy []protocol.Rule
		for _, r := range list.ExitPolicy() {
			action := protocol.Reject
			if r.Accept {
				action = protocol.Accept
			}
			policy = append(policy, protocol.Rule{Action: action, IPPattern: r.Pattern, Start: r.First, End: r.Last})
		}
		of, answer = list, requester.Answers(list.Open(), "nym-socks5 network requester", policy)
		return answer(q)
	}
}
