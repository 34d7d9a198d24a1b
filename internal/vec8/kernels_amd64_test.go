//go:build amd64 && !purego

package vec8

import "testing"

// paths runs f on each set of kernels that this machine has, ending with none.
func paths(t *testing.T, f func(t *testing.T)) {
	defer func(a, b, c bool) { haveAVX512, haveAVX2, haveAES = a, b, c }(haveAVX512, haveAVX2, haveAES)
	for _, path := range []struct {
		name string
		have bool
		drop func()
	}{
		{"avx512", haveAVX512, func() {}},
		{"avx2", haveAVX2, func() { haveAVX512 = false }},
		{"plain", true, func() { haveAVX512, haveAVX2, haveAES = false, false, false }},
	} {
		if !path.have {
			t.Logf("this machine has no %s", path.name)
			continue
		}
		path.drop()
		t.Run(path.name, f)
	}
}

// withoutKernels runs f on what CPUs without AVX-512 have.
func withoutKernels(f func()) {
	defer func(a bool) { haveAVX512 = a }(haveAVX512)
	haveAVX512 = false
	f()
}
