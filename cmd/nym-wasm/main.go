//go:build js

package main

import "syscall/js"

func main() {
	js.Global().Set("nymStart", js.FuncOf(func(_ js.Value, args []js.Value) any {
		options := args[0]
		return async(func() (any, error) { return start(options) })
	}))
	select {} // the worker ends us
}
