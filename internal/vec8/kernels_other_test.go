//go:build !amd64 || purego

package vec8

import "testing"

// paths runs f: there are no kernels.
func paths(t *testing.T, f func(t *testing.T)) { t.Run("plain", f) }

func withoutKernels(f func()) { f() }
