package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nym-socks5/examples/chat/protocol"
	"nym-socks5/mixnet/mixnettest"
)

// serve runs a person with a page.
func serve(t *testing.T) (u *user, s *httptest.Server, token string) {
	pair := mixnettest.NewPair(mixnettest.Options{})
	u = &user{t: t, m: pair.A, dir: t.TempDir(), name: "Alice"}
	u.start()
	g := newPage(u.person)
	s = httptest.NewServer(g.handler(context.Background()))
	t.Cleanup(func() {
		s.Close()
		u.stop()
	})
	return u, s, g.token
}

// Only the page itself, with the token, reaches anything of the user's: no other page,
// not by a name that leads here, not without the token.
func TestH34ThePageIsForItsUser(t *testing.T) {
	_, s, token := serve(t)
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, c := range []struct {
		name, path, token string
		header            map[string]string
		status            int
	}{
		{"the page's files", "/", "", nil, 200},
		{"a script", "/chat.js", "", nil, 200},
		{"the page", "/api/qr.svg", token, nil, 200},
		{"the page, as a browser asks", "/api/qr.svg", token, map[string]string{"Origin": s.URL, "Sec-Fetch-Site": "same-origin"}, 200},
		{"by another name of this machine", "/api/qr.svg", token, map[string]string{"Host": "localhost" + port}, 200},
		{"by IPv6", "/api/qr.svg", token, map[string]string{"Host": "[::1]" + port}, 200},
		{"no token", "/api/qr.svg", "", nil, 401},
		{"another token", "/api/qr.svg", token[1:] + "A", nil, 401},
		{"a part of the token", "/api/qr.svg", token[1:], nil, 401},
		{"the token in the URL", "/api/qr.svg?token=" + token, "", nil, 401},
		{"a name that leads here", "/api/qr.svg", token, map[string]string{"Host": "evil.example" + port}, 421},
		{"the files by a name that leads here", "/", "", map[string]string{"Host": "evil.example" + port}, 421},
		{"an address that is not ours", "/api/qr.svg", token, map[string]string{"Host": "192.0.2.1" + port}, 421},
		{"no port", "/api/qr.svg", token, map[string]string{"Host": "localhost"}, 421},
		{"another page", "/api/qr.svg", token, map[string]string{"Origin": "https://evil.example"}, 403},
		{"another port of this machine", "/api/qr.svg", token, map[string]string{"Origin": "http://127.0.0.1:1"}, 403},
		{"a page without an origin", "/api/qr.svg", token, map[string]string{"Origin": "null"}, 403},
		{"the page by TLS", "/api/qr.svg", token, map[string]string{"Origin": "https" + s.URL[4:]}, 403},
		{"an element of another page", "/chat.js", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"an element of another port", "/chat.js", "", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"nothing of that name", "/api/nothing", token, nil, 404},
	} {
		r, err := http.NewRequest("GET", s.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		r.Host = r.Header.Get("Host")
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.status)
		}
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", c.name, resp.Header)
		}
	}
}

// What the page asks for and is told, bad requests among it.
func TestPage(t *testing.T) {
	u, s, token := serve(t)
	ask := func(path, body string) (int, string) {
		t.Helper()
		method := "POST"
		if body == "" {
			method = "GET"
		}
		r, err := http.NewRequest(method, s.URL+"/api/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	card := protocol.Card{Address: mixnettest.NewPair(mixnettest.Options{Seed: 5}).B.Address(), Name: "Bob"}
	u.with(func() error { // somebody who asks
		t := newTalk(&contact{State: asks, Card: card, Key: new(protocol.Key)})
		err := u.book.saveContact(t.contact)
		u.contacts[t.ID] = t
		return err
	})
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"contacts", "{", 422, "error"},
		{"contacts", `{"card":"nobody"}`, 422, "a card is nymchat:ADDRESS"},
		{"contacts/1/write", `{"text":"x"}`, 422, "accept Bob first"},
		{"contacts/1/nothing", `{}`, 422, "nothing is called so"},
		{"contacts/x/write", `{}`, 422, "a contact is a number"},
		{"contacts/2/write", `{}`, 422, "no such contact"},
		{"contacts/1/ignore", `{}`, 200, "{}"},
		{"contacts/1/accept", `{}`, 200, "{}"},
		{"contacts/1/accept", `{}`, 422, "does not ask"},
		{"contacts/1/write", `{"text":""}`, 422, "0 bytes of a text"},
		{"contacts/1/write", `{"text":"\u001b[2J"}`, 422, "U+001B"},
		{"contacts/1/write", `{"text":"` + strings.Repeat("x", 70_000) + `"}`, 422, "too large"},
		{"contacts/1/write", `{"text":"hello"}`, 200, `"text":"hello"`},
		{"contacts/1/entries", "", 200, `"state":"waiting"`},
		{"contacts/1/files?name=..%2Fx", "x", 422, "names a folder"},
		{"contacts/1/files?name=x", "x", 200, `"name":"x"`},
		{"contacts/2/files?name=x", "x", 422, "no such contact"},
		{"contacts/1/entries/1/file", "", 422, "no such file"},
		{"contacts/1/entries/2/file", "", 422, "no such file"},
		{"contacts/1/entries/9/file", "", 422, "no entry 9"},
		{"contacts/1/entries/2/accept", "x", 422, "not offered to us"},
		{"contacts/1/entries/2/end", "x", 200, "{}"},
		{"contacts/1/entries/2/end", "x", 422, "no file to decide on"},
		{"qr", "no picture", 422, "PNG or JPEG"},
		{"contacts/1/remove", "{}", 200, "{}"},
		{"contacts/1/entries", "", 422, "no such contact"},
	} {
		if status, got := ask(c.path, c.body); status != c.status || !strings.Contains(got, c.says) {
			t.Errorf("%s %.40s: %d %s, want %d %s", c.path, c.body, status, got, c.status, c.says)
		}
	}
}

// draw makes a picture of a QR code, as somebody's screen shows it.
func draw(rows [][]bool, scale, margin int) image.Image {
	n := (len(rows) + 2*margin) * scale
	picture := image.NewGray(image.Rect(0, 0, n, n))
	for y := range n {
		for x := range n {
			i, j := x/scale-margin, y/scale-margin
			if i < 0 || j < 0 || i >= len(rows) || j >= len(rows) || !rows[j][i] {
				picture.SetGray(x, y, color.Gray{255})
			}
		}
	}
	return picture
}

func encode(t testing.TB, picture image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestQR(t *testing.T) {
	card := protocol.Card{Address: mixnettest.NewPair(mixnettest.Options{}).B.Address(), Name: "Zoë & Co"}
	rows, err := qrCode(card.String())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readQR(bytes.NewReader(encode(t, draw(rows, 5, 4)))); err != nil || got != card {
		t.Errorf("reads %+v, %v, want %+v", got, err, card)
	}
	if svg := qrSVG(rows); strings.Count(svg, "h1v1h-1z") != strings.Count(qrText(rows), "▀")+strings.Count(qrText(rows), "▄")+2*strings.Count(qrText(rows), "█") {
		t.Error("the two drawings differ")
	}
	other, err := qrCode("https://example.org/")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"another text": encode(t, draw(other, 5, 4)),
		"no code":      encode(t, image.NewGray(image.Rect(0, 0, 100, 100))),
		"no picture":   []byte("GIF89a"),
		"cut off":      encode(t, draw(rows, 5, 4))[:300],
		"too large":    bytes.Replace(encode(t, image.NewGray(image.Rect(0, 0, 1, 1))), []byte{0, 0, 0, 1, 0, 0, 0, 1}, []byte{0, 1, 0, 0, 0, 1, 0, 0}, 1),
	} {
		if c, err := readQR(bytes.NewReader(b)); err == nil {
			t.Errorf("%s: read as %v", name, c)
		}
	}
}

// Whatever picture somebody sends, it is read or refused.
func FuzzReadQR(f *testing.F) {
	rows, err := qrCode("nymchat:x")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encode(f, draw(rows, 2, 4)))
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 10_000 {
			return
		}
		readQR(bytes.NewReader(in))
	})
}
