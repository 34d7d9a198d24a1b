// Package dirhttp asks directories over HTTP, with package net/http.
//
//	web := dirhttp.New(nil)
//	defer web.Close()
//	client, err := directory.NewClient(directory.ClientConfig{URLs: urls, Key: key, Fetch: web.Fetch})
//
// It stands apart from package directory, which in a browser is given the
// browser's own way of making requests, and so need not carry HTTP and TLS.
package dirhttp
