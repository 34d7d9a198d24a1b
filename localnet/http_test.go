package localnet

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"testing"
)

// Programs that are set to an HTTP proxy reach plain HTTP through the network,
// several requests over the same streams, and CONNECT through the same port.
func TestHTTPProxy(t *testing.T) {
	inWorld(t, Spec{Traffic: fast}, func(w *world) {
		ln, err := w.open.Listen(targetIP + ":80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			rw.Header().Set("X-Agent", r.UserAgent())
			rw.Write(b)
		})}
		w.wg.Go(func() { srv.Serve(ln) })
		defer srv.Close()
		client := &http.Client{Transport: &http.Transport{
			Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: socksAddr}),
			DialContext: w.inside.Host("127.0.0.1").DialContext,
		}}
		defer client.CloseIdleConnections()
		for _, size := range []int{0, 10, 300_000} {
			data := randomBody(size)
			req, err := http.NewRequest("POST", "http://"+targetHost+"/", bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", "")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !bytes.Equal(got, data) || resp.Header.Get("X-Agent") != "" {
				t.Errorf("%d of %d bytes came back, %v; agent %q", len(got), size, err, resp.Header.Get("X-Agent"))
			}
		}
		for host, want := range map[string]int{
			"denied.example.com": http.StatusForbidden, "nowhere.example.com": http.StatusBadGateway, targetHost + ":81": http.StatusBadGateway,
		} {
			resp, err := client.Get("http://" + host + "/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s: %v, want %d", host, resp.Status, want)
			}
		}
	})
}
