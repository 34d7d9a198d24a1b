// Command strip takes the line numbers of stack traces out of a Go program for
// js/wasm, which are a tenth of what a page loads.
//
//	strip PROGRAM.wasm…
//
// The linker's -s and -w leave them in, since a trace is made by the runtime from
// its own table, pclntab. Of each function, that table has the ranges of addresses
// of its files and lines, beside those that the runtime walks stacks by. strip puts
// zero, which means that there is none, in place of the former, and zeros into
// their bytes, which then compress to nothing. Sizes and addresses stay as they
// are. A trace has functions without file and line after that.
//
// The table is that of Go 1.20 and later (cmd/link/internal/ld/pcln.go). strip fails
// on a program in which it does not find just one, or finds anything that it does
// not expect, and leaves the file alone then.
package main
