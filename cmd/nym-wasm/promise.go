//go:build js

package main

import (
	"context"
	"syscall/js"
)

// async runs f in a goroutine of its own and gives a Promise of what it returns.
func async(f func() (any, error)) js.Value {
	var executor js.Func
	executor = js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve, reject := args[0], args[1]
		go func() {
			v, err := f()
			if err != nil {
				reject.Invoke(failure(err))
				return
			}
			resolve.Invoke(v)
		}()
		return nil
	})
	defer executor.Release() // Promise calls it before it returns
	return js.Global().Get("Promise").New(executor)
}

// await waits for a Promise, or takes a value that is none as it is.
func await(ctx context.Context, p js.Value) (js.Value, error) {
	type outcome struct {
		v   js.Value
		err error
	}
	done := make(chan outcome, 1)
	var fulfilled, rejected js.Func
	fulfilled = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{v: args[0]}
		return nil
	})
	rejected = js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{err: &foreignError{args[0]}}
		return nil
	})
	release := func() { fulfilled.Release(); rejected.Release() }
	js.Global().Get("Promise").Call("resolve", p).Call("then", fulfilled, rejected)
	select {
	case o := <-done:
		release()
		return o.v, o.err
	case <-ctx.Done():
		go func() { <-done; release() }() // they may be called later
		return js.Undefined(), ctx.Err()
	}
}

// fromBytes copies into a Uint8Array.
func fromBytes(b []byte) js.Value {
	view := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(view, b)
	return view
}

// toBytes copies out of a Uint8Array.
func toBytes(v js.Value) []byte {
	b := make([]byte, v.Get("length").Int())
	js.CopyBytesToGo(b, v)
	return b
}

// text gives a string of an options object; empty where there is none.
func text(v js.Value, name string) string {
	if s := v.Get(name); s.Type() == js.TypeString {
		return s.String()
	}
	return ""
}

// texts gives a string, or a list of them, of an options object.
func texts(v js.Value, name string) (all []string) {
	switch s := v.Get(name); {
	case s.Type() == js.TypeString:
		return []string{s.String()}
	case s.Type() == js.TypeObject:
		for i := range s.Get("length").Int() {
			all = append(all, s.Index(i).String())
		}
	}
	return all
}
