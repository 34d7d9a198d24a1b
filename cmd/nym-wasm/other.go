//go:build !js

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "nym-wasm: this program is for browsers and Node.js: build it with GOOS=js GOARCH=wasm")
	os.Exit(2)
}
