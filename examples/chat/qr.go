package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // pictures that people have
	_ "image/png"
	"io"
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"

	"nym-socks5/examples/chat/protocol"
)

// maxPicture is the largest picture that is looked at, in bytes and in pixels.
const maxPicture, maxPixels = 16 << 20, 16 << 20

// qrCode makes the QR code of a text: true is black, and there is no margin.
func qrCode(text string) ([][]bool, error) {
	hints := map[gozxing.EncodeHintType]any{
		gozxing.EncodeHintType_ERROR_CORRECTION: decoder.ErrorCorrectionLevel_M,
		gozxing.EncodeHintType_MARGIN:           0,
	}
	m, err := qrcode.NewQRCodeWriter().Encode(text, gozxing.BarcodeFormat_QR_CODE, 0, 0, hints)
	if err != nil {
		return nil, fmt.Errorf("chat: QR code: %w", err)
	}
	rows := make([][]bool, m.GetHeight())
	for y := range rows {
		rows[y] = make([]bool, m.GetWidth())
		for x := range rows[y] {
			rows[y][x] = m.Get(x, y)
		}
	}
	return rows, nil
}

// qrSVG draws a QR code as a picture for pages, black on white in any theme, since
// cameras want it so.
func qrSVG(rows [][]bool) string {
	const margin = 4 // as the standard wants
	n := len(rows) + 2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><rect width="%d" height="%d" fill="#fff"/><path d="`, n, n, n, n)
	for y, row := range rows {
		for x, black := range row {
			if black {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+margin, y+margin)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String()
}

// qrText draws a QR code for a terminal, two rows a line. Colors are set, since it does
// not matter then what those of the terminal are.
func qrText(rows [][]bool) string {
	black := func(x, y int) bool { return y >= 0 && y < len(rows) && x >= 0 && x < len(rows) && rows[y][x] }
	var b strings.Builder
	for y := -2; y < len(rows)+2; y += 2 {
		b.WriteString("\x1b[30;47m")
		for x := -2; x < len(rows)+2; x++ {
			switch {
			case black(x, y) && black(x, y+1):
				b.WriteString("█")
			case black(x, y):
				b.WriteString("▀")
			case black(x, y+1):
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}

// errNoCard reports a picture without a card.
var errNoCard = errors.New("chat: there is no QR code with a card in this picture")

// readQR finds the card in a picture, PNG or JPEG.
func readQR(r io.Reader) (c protocol.Card, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPicture+1))
	if err != nil {
		return c, err
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil || len(b) > maxPicture || size.Width <= 0 || size.Height <= 0 || size.Width > maxPixels/size.Height {
		return c, fmt.Errorf("chat: a picture is PNG or JPEG, of at most %d bytes and %d pixels", maxPicture, maxPixels)
	}
	picture, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return c, fmt.Errorf("chat: picture: %w", err)
	}
	text, err := scan(picture)
	if err != nil {
		return c, errNoCard
	}
	return protocol.ParseCard(text)
}

// scan reads the QR code in a picture.
func scan(picture image.Image) (text string, err error) {
	// The decoder is a translation from Java: what was an exception there may be a
	// panic here, and a picture is somebody's.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("chat: QR code: %v", r)
		}
	}()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return "", err
	}
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		return "", err
	}
	return result.GetText(), nil
}
