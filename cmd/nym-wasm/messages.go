//go:build js && !streams

package main

import (
	"context"
	"syscall/js"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
)

// streams are for the other program.
type streams struct{}

// hasAuthorityError reports an error of TLS, which is in the other program.
func hasAuthorityError(error) bool { return false }

// configure makes an endpoint of messages.
func (p *page) configure(cfg *endpoint.Config, _ js.Value) error {
	cfg.Messages = true
	return nil
}

// operations are those on messages:
//
//	send(number, message, to, data, tag, surbs)  → Promise, fulfilled when accepted
//	reply(number, message, tag, data)            → the same
//	tag()                                        → Promise of a new tag to speak under
//
// What becomes of a message is told by the event "delivery", with its number and
// null or an Error.
func (p *page) operations() map[string]operation {
	return map[string]operation{
		"send": func(ctx context.Context, args []js.Value) (any, error) {
			to, err := mixnet.ParseRecipientText(args[1].String())
			if err != nil {
				return nil, badArgument("recipient: %v", err)
			}
			o := p.options(args[0])
			if args[3].Type() == js.TypeString {
				if o.As, err = mixnet.ParseSenderTagText(args[3].String()); err != nil {
					return nil, badArgument("tag: %v", err)
				}
				o.SURBs = args[4].Int()
			}
			return nil, p.e.Messenger().Send(ctx, to, toBytes(args[2]), o)
		},
		"reply": func(ctx context.Context, args []js.Value) (any, error) {
			tag, err := mixnet.ParseSenderTagText(args[1].String())
			if err != nil {
				return nil, badArgument("tag: %v", err)
			}
			return nil, p.e.Messenger().Reply(ctx, tag, toBytes(args[2]), p.options(args[0]))
		},
		"tag": func(context.Context, []js.Value) (any, error) { return mixnet.NewSenderTag().String(), nil },
	}
}

// options has the end of a message told. Done must not call the Messenger, which
// JavaScript may do: it is told from another goroutine.
func (p *page) options(message js.Value) mixnet.SendOptions {
	return mixnet.SendOptions{Done: func(err error) { go p.tell("delivery", err, message) }}
}

// receive hands messages to JavaScript until the client ends.
func (p *page) receive() {
	for {
		m, err := p.e.Messenger().Receive(p.ctx)
		if err != nil {
			return
		}
		from, to := js.Null(), js.Null()
		if !m.From.IsZero() {
			from = js.ValueOf(m.From.String())
		}
		if !m.To.IsZero() {
			to = js.ValueOf(m.To.String())
		}
		p.message.Invoke(fromBytes(m.Body), from, to)
	}
}
