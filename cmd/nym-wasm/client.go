//go:build js

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall/js"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// patience is how long a client that starts may take to reach its gateway before
// the caller is told that it failed. The caller may give up earlier.
const patience = time.Minute

// A page is one client and what JavaScript holds of it.
type page struct {
	e       *endpoint.Endpoint
	ctx     context.Context // of the client
	stop    context.CancelFunc
	done    chan struct{} // closed when the client has ended
	message js.Value      // called with each message
	event   js.Value      // called with each event

	mu    sync.Mutex // guards the following
	calls map[int]context.CancelFunc
	err   error // why the client ended
	streams
}

// start makes a client, waits until it is connected, and gives JavaScript an
// object of functions.
func start(options js.Value) (any, error) {
	p := &page{done: make(chan struct{}), message: options.Get("message"), event: options.Get("event"), calls: make(map[int]context.CancelFunc)}
	cfg, err := p.config(options)
	if err != nil {
		return nil, err
	}
	if p.e, err = endpoint.New(cfg); err != nil {
		return nil, err
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	changed := p.e.Changed()
	go func() {
		err := p.e.Run(p.ctx)
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.done)
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-p.e.Ready():
	case <-p.done:
		return nil, p.ended()
	case <-late.C:
		p.end()
		return nil, &coded{codeNetwork, errors.New("no gateway could be reached within a minute")}
	}
	go p.watch(changed)
	if cfg.Messages {
		go p.receive()
	}
	return p.functions(), nil
}

// config maps the options that JavaScript gives. Those of index.d.ts are checked
// here.
func (p *page) config(options js.Value) (cfg endpoint.Config, err error) {
	log := zerolog.Nop()
	if f := options.Get("log"); f.Type() == js.TypeFunction {
		log = zerolog.New(logger{f}).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	}
	kept := openStore(options)
	dir := directory.ClientConfig{URLs: texts(options, "directory"), Network: text(options, "network"), Fetch: fetchDirectory, Log: log}
	if key := text(options, "directoryKey"); key != "" {
		if dir.Key, err = keys.ParseIdentityText(key); err != nil {
			return cfg, badArgument("directoryKey: %v", err)
		}
	}
	if len(dir.URLs) == 0 {
		return cfg, badArgument("directory: give the URL of the network's directory")
	}
	cfg = endpoint.Config{Store: kept, SecureGateways: bySecurePage(), Log: log}
	if cfg.Network, err = endpoint.Directories(dir, kept); err != nil {
		return cfg, err
	}
	if g := text(options, "gateway"); g != "" {
		if cfg.Gateway, err = keys.ParseIdentityText(g); err != nil {
			return cfg, badArgument("gateway: %v", err)
		}
	}
	switch profile := text(options, "profile"); profile {
	case "", "default":
	case "fast":
		cfg.Traffic = client.Fast()
	default:
		return cfg, badArgument("profile: %q is none of: default, fast", profile)
	}
	return cfg, p.configure(&cfg, options)
}

// A logger hands lines to JavaScript.
type logger struct{ f js.Value }

// Write implements [io.Writer].
func (l logger) Write(b []byte) (int, error) {
	l.f.Invoke(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// functions are what JavaScript can do with the client.
func (p *page) functions() js.Value {
	all := map[string]any{
		"address":        js.FuncOf(func(js.Value, []js.Value) any { return p.e.Address().String() }),
		"status":         js.FuncOf(func(js.Value, []js.Value) any { return p.status() }),
		"networkChanged": js.FuncOf(func(js.Value, []js.Value) any { p.e.NetworkChanged(); return nil }),
		"cancel": js.FuncOf(func(_ js.Value, args []js.Value) any {
			p.mu.Lock()
			defer p.mu.Unlock()
			if cancel := p.calls[args[0].Int()]; cancel != nil {
				cancel()
			}
			return nil
		}),
		"close": js.FuncOf(func(js.Value, []js.Value) any {
			return async(func() (any, error) { p.end(); return nil, p.failed() })
		}),
	}
	for name, do := range p.operations() {
		all[name] = p.call(do)
	}
	return js.ValueOf(all)
}

// An operation may wait. Its first argument, the number by which it can be
// canceled, is taken off.
type operation func(ctx context.Context, args []js.Value) (any, error)

// call makes a function for JavaScript of an operation.
func (p *page) call(do operation) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) any {
		number := args[0].Int()
		ctx, cancel := context.WithCancel(p.ctx)
		p.mu.Lock()
		p.calls[number] = cancel
		p.mu.Unlock()
		return async(func() (any, error) {
			defer func() {
				cancel()
				p.mu.Lock()
				delete(p.calls, number)
				p.mu.Unlock()
			}()
			v, err := do(ctx, args[1:])
			if err != nil && p.ctx.Err() != nil {
				err = mixnet.ErrClosed
			}
			return v, err
		})
	})
}

// end stops the client and waits for it.
func (p *page) end() {
	p.stop()
	<-p.done
}

func (p *page) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// ended is why a client that should run does not.
func (p *page) ended() error {
	if err := p.failed(); err != nil {
		return err
	}
	return mixnet.ErrClosed
}

// watch tells JavaScript when the connection to the gateway comes and goes, and
// when the client has ended.
func (p *page) watch(changed <-chan struct{}) {
	connected := false
	for {
		if now := p.e.Status().Entry.Connected; now != connected {
			connected = now
			if now {
				p.tell("connected", nil)
			} else {
				p.tell("reconnecting", nil)
			}
		}
		select {
		case <-changed:
			changed = p.e.Changed()
		case <-p.done:
			p.tell("closed", p.failed())
			return
		}
	}
}

// tell calls the event function.
func (p *page) tell(kind string, err error, facts ...any) {
	if p.event.Type() != js.TypeFunction {
		return
	}
	why := js.Null()
	if err != nil {
		why = failure(err)
	}
	p.event.Invoke(append([]any{kind, why}, facts...)...)
}

// status is what a page may show of the client: counts, and nothing of whom it
// talks to.
func (p *page) status() string {
	s := p.e.Status()
	b, err := json.Marshal(map[string]any{
		"connected": s.Entry.Connected, "gateway": s.Entry.Gateway.String(), "since": s.Entry.Since,
		"loopsSent": s.Loops.Sent, "loopsHome": s.Loops.Home,
		"memory": memory(),
	})
	if err != nil {
		return fmt.Sprintf("{%q:%q}", "error", err)
	}
	return string(b)
}

// memory is how much the program has taken from the browser, in bytes; it gives none
// back.
func memory() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// bySecurePage reports that this page came over https: a browser refuses gateways
// that have ws only.
func bySecurePage() bool {
	return strings.HasPrefix(text(js.Global(), "origin"), "https:")
}
