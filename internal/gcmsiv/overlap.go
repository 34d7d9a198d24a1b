package gcmsiv

import "unsafe"

// overlaps reports whether two slices that are not empty share memory.
func overlaps(a, b []byte) bool {
	a0, b0 := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return a0 < b0+uintptr(len(b)) && b0 < a0+uintptr(len(a))
}
