package main

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"nym-socks5/internal/web"

	"nym-socks5/config"
	"nym-socks5/internal/admit"
	"nym-socks5/internal/simnet"
)

// hardening.md H23: one address does not take every connection of a directory.
func TestH23OneAddressDoesNotFillTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cfg config.Directory
		cfg.Rates.MaxConns = 4 * placesShare
		network := simnet.New()
		ln, err := network.Listen("192.0.2.1:80")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- web.Serve(ctx, admit.Listen(ln, admit.New(places(&cfg))), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "here")
			}), nil)
		}()
		for range 2 * cfg.Rates.MaxConns {
			c, err := network.Host("203.0.113.1").DialContext(ctx, "tcp", "192.0.2.1:80")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			synctest.Wait()
		}
		get := func(from string) error {
			tr := &http.Transport{DialContext: network.Host(from).DialContext, DisableKeepAlives: true}
			resp, err := (&http.Client{Transport: tr}).Get("http://192.0.2.1/")
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			return err
		}
		if err := get("203.0.113.2"); err != nil {
			t.Errorf("from another address: %v", err)
		}
		if get("203.0.113.1") == nil {
			t.Error("that address has a place left: the test shows nothing")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	cfg := config.Directory{Rates: config.Rates{MaxConns: 5}}
	if l := places(&cfg); l.Places != 5 || l.PlacesPerPrefix != 1 {
		t.Errorf("few places: %+v", l)
	}
	cfg.List.Proxied = true
	if l := places(&cfg); l.PlacesPerPrefix != 0 {
		t.Errorf("behind a proxy: %+v", l)
	}
}
