//go:build !amd64 || purego

package vec8

func comb(el *[16]element, tables *[Lanes]*combTable, digits *combDigits) { panic(noKernel) }
