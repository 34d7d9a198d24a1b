package main

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"

	"nym-socks5/endpoint"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/topology"
)

// A facts is what the tests are told.
type facts struct {
	Directory string   `json:"directory"`
	Gateways  []string `json:"gateways"`
	Requester string   `json:"requester"`
	Plain     int      `json:"plain"`       // port of the target over http, for any name below example.com
	Secure    int      `json:"secure"`      // the same over https, with HTTP/2
	Authority string   `json:"authority"`   // its certificate, PEM
	Target    string   `json:"target"`      // its own URL, for pages of another origin
	Files     string   `json:"files"`       // URL of the package's folder
	SecureURL string   `json:"securePages"` // the same over https
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: world FOLDER-OF-THE-PACKAGE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	quiet := log.New(io.Discard, "", 0)
	plain := httptest.NewServer(http.HandlerFunc(target))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(target))
	secure.EnableHTTP2, secure.Config.ErrorLog = true, quiet
	secure.StartTLS()
	defer secure.Close()
	files := httptest.NewServer(pages(folder))
	defer files.Close()
	securePages := httptest.NewUnstartedServer(pages(folder))
	securePages.Config.ErrorLog = quiet
	securePages.StartTLS()
	defer securePages.Close()

	ports := []uint16{port(plain), port(secure)}
	n, err := localnet.New(localnet.Spec{
		MixesPerLayer: 1, Traffic: client.Fast(), Directory: "127.0.0.1:0",
		Allow: func(host string, _ netip.Addr, p uint16) error {
			if !strings.HasSuffix(host, "example.com") || p != ports[0] && p != ports[1] {
				return errors.New("not for this test")
			}
			return nil
		},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	select {
	case <-n.Ready():
	case err := <-done:
		return err
	}
	f := facts{
		Directory: n.DirectoryURL(), Requester: n.Requester().String(), Target: plain.URL,
		Plain: int(ports[0]), Secure: int(ports[1]), Files: files.URL, SecureURL: securePages.URL,
		Authority: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})),
	}
	for _, nd := range n.Nodes() {
		if nd.Role == topology.RoleGateway {
			f.Gateways = append(f.Gateways, "")
		}
	}
	for i, g := range n.Topology().Gateways() {
		f.Gateways[i] = g.Identity.String()
	}
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer, err := obey(ctx, n, lines.Text())
		if err != nil {
			answer = "error " + err.Error()
		}
		fmt.Println(answer)
	}
	stop()
	return <-done
}

// obey does what a line asks for.
func obey(ctx context.Context, n *localnet.Network, line string) (string, error) {
	order, node, _ := strings.Cut(line, " ")
	switch order {
	case "stop":
		return "ok", n.Stop(node)
	case "start":
		return "ok", n.Start(node)
	case "echo":
		e, err := n.Join(ctx, endpoint.Config{Messages: true})
		if err != nil {
			return "", err
		}
		go echo(ctx, e)
		return e.Address().String(), nil
	}
	return "", fmt.Errorf("%q: no such order", order)
}

// echo sends back what comes with reply SURBs.
func echo(ctx context.Context, e *endpoint.Endpoint) {
	for {
		m, err := e.Messenger().Receive(ctx)
		if err != nil {
			return
		}
		if !m.From.IsZero() {
			_ = e.Messenger().Reply(ctx, m.From, m.Body, mixnet.SendOptions{}) // the test sees what is missing
		}
	}
}

// target is a web server behind the requester.
func target(w http.ResponseWriter, r *http.Request) {
	switch at, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); at {
	case "hello":
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-Proto", r.Proto)
		fmt.Fprint(w, "hello ", r.Method)
	case "noise": // /noise/BYTES
		n, _ := strconv.Atoi(rest)
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(b)
	case "echo":
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(flusher{w}, r.Body)
	case "headers":
		_ = json.NewEncoder(w).Encode(r.Header)
	case "redirect": // /redirect/TIMES
		n, _ := strconv.Atoi(rest)
		if n == 0 {
			fmt.Fprint(w, "arrived")
			return
		}
		http.Redirect(w, r, path.Join("/redirect", strconv.Itoa(n-1)), http.StatusFound)
	case "cookie":
		if c, err := r.Cookie("taste"); err == nil {
			fmt.Fprint(w, c.Value)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "taste", Value: "sweet", Path: "/"})
		fmt.Fprint(w, "set")
	case "slow": // says something, then nothing until the client goes
		fmt.Fprint(w, "a")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "never":
		<-r.Context().Done()
	case "empty":
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

// A flusher sends each piece on.
type flusher struct{ w http.ResponseWriter }

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err == nil {
		err = http.NewResponseController(f.w).Flush()
	}
	return n, err
}

// pages serves the package with the strictest policy that it works under.
func pages(folder string) http.Handler {
	files := http.FileServer(http.Dir(folder))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src data:; connect-src 'self' http: ws: wss:")
		w.Header().Set("Cache-Control", "no-store")
		files.ServeHTTP(w, r)
	})
}

func port(s *httptest.Server) uint16 {
	return netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
}
