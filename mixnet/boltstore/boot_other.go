//go:build !linux

package boltstore

// There is nothing to tell a boot by that all processes see alike.
func currentBoot() bootID { return bootID{} }

func keptByKernel(string) bool { return false }
