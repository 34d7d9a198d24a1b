//go:build js

package main

import (
	"context"
	"errors"
	"syscall/js"

	"nym-socks5/mixnet/directory"
)

// fetchDirectory makes a request of a directory by the fetch of the page
// (WHATWG). It implements [directory.Fetch].
func fetchDirectory(ctx context.Context, r directory.Request) (directory.Response, error) {
	headers := map[string]any{"Accept": "application/json"}
	init := map[string]any{
		"headers": headers, "redirect": "error", "credentials": "omit", "cache": "no-store", "referrerPolicy": "no-referrer",
	}
	if r.Body != nil {
		init["method"], init["body"], headers["Content-Type"] = "POST", string(r.Body), "application/json"
	}
	if r.Have != (directory.Hash{}) {
		headers["If-None-Match"] = r.Have.ETag()
	}
	aborter := js.Global().Get("AbortController").New()
	init["signal"] = aborter.Get("signal")
	defer context.AfterFunc(ctx, func() { aborter.Call("abort") })()
	resp, err := await(ctx, js.Global().Call("fetch", r.URL, init))
	if err != nil {
		return directory.Response{}, unfetched(ctx, err)
	}
	body, err := await(ctx, resp.Call("arrayBuffer"))
	if err != nil {
		return directory.Response{}, unfetched(ctx, err)
	}
	view := js.Global().Get("Uint8Array").New(body)
	if view.Get("length").Int() > directory.MaxFile {
		return directory.Response{}, errors.New("the answer is too long")
	}
	out := directory.Response{Status: resp.Get("status").Int(), Body: toBytes(view)}
	if seal := resp.Get("headers").Call("get", directory.SealHeader); seal.Type() == js.TypeString {
		out.Seal = seal.String()
	}
	return out, nil
}

// unfetched explains why a request failed. A page is not told the cause.
func unfetched(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &directory.AskError{
		Cause:  errors.New("the browser could not fetch it"),
		Remedy: "is it running, is the URL right, is it https if this page is, and does the page's Content-Security-Policy have it in connect-src?",
	}
}
